/** Stands before a replica, on its host under another address and with the same ports, and tells one lie: control calls pass as
 * they are, the data stream message by message.
 *   usage: proxy ADDRESS REPLICA_ADDRESS PORT LIE SEED        after SIGUSR1 it is honest */
import { Client, Server, ServerCredentials, credentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { connect, createServer } from "node:net";
import { DataPlane, Op, type Request, type Response } from "../../../proto/dataplane.js";
import { numbers } from "../../tools/random.js";
import { SYNC_AGENT_RECEIVERS } from "../world/command-line.js";
import { LIES, type Lie, type LieName } from "./lie.js";

const HONEST: Lie = { about: "all is as it should be" };

const [own = "", host = "", port = "", name = "", seed = ""] = process.argv.slice(2);
let lie: Lie = LIES[name as LieName];
process.on("SIGUSR1", () => (lie = HONEST));
const random = numbers(Number(seed));

// Control, the sync agent, and its receivers.
for (const offset of [0, ...Array.from({ length: 1 + SYNC_AGENT_RECEIVERS }, (_, index) => 2 + index)])
  forward(Number(port) + offset);

function forward(forwarded: number): void {
  createServer((engine) => {
    const replica = connect(forwarded, host);
    engine.pipe(replica).pipe(engine);
    engine.on("error", () => replica.destroy()).on("close", () => replica.destroy());
    replica.on("error", () => engine.destroy()).on("close", () => engine.destroy());
  }).listen(forwarded, own);
}

const server = new Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
server.addService(DataPlane, { connect: serve });
server.bindAsync(`${own}:${Number(port) + 1}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
  console.log("ready");
});

function serve(engine: ServerDuplexStream<Request, Partial<Response>>): void {
  const client = new Client(`${host}:${Number(port) + 1}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_receive_message_length": -1,
  });
  const { path, requestSerialize, responseDeserialize } = DataPlane.connect;
  const replica = client.makeBidiStreamRequest<Partial<Request>, Response>(
    path,
    requestSerialize,
    responseDeserialize,
  );
  const asked = new Map<number, Request>();
  const end = (): void => {
    replica.cancel();
    client.close();
    engine.end();
  };
  const link = {
    forward: (request: Request) => {
      asked.set(request.id, request);
      replica.write(request);
    },
    answer: (response: Partial<Response>) => {
      asked.delete(response.id ?? 0);
      engine.write(response);
    },
    random,
  };
  engine.on("data", (request: Request) => {
    if (request.op === Op.OP_HELLO || lie.request?.(request, link) !== true) link.forward(request);
  });
  replica.on("data", (response: Response) => {
    const request = asked.get(response.id);
    // Already answered, by a lie.
    if (request === undefined) return;
    if (request.op !== Op.OP_HELLO) lie.response?.(response, request, link);
    link.answer(response);
  });
  for (const stream of [engine, replica]) stream.on("error", end).on("end", end).on("cancelled", end);
}
