import { dataplaneContract } from "./contract.js";
import { serverContract } from "./protocol.js";
import { typescriptClient, typescriptServer } from "./typescript-ends.js";

const servers = [typescriptServer];
const clients = [typescriptClient];

for (const server of servers) {
  serverContract(server);
  for (const client of clients) dataplaneContract(client, server);
}
