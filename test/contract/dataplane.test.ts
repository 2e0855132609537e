import { dataplaneContract } from "./contract.js";
import { nativeClient, nativeServer } from "./native-ends.js";
import { serverContract } from "./protocol.js";
import { typescriptClient, typescriptServer } from "./typescript-ends.js";

for (const server of [typescriptServer, nativeServer]) {
  serverContract(server);
  for (const client of [typescriptClient, nativeClient]) dataplaneContract(client, server);
}
