/** Both ends in TypeScript, on grpc-js. */
import { PROTOCOL_VERSION } from "../../proto/dataplane.js";
import { StreamClient } from "../../proto/stream-client.js";
import { StreamError, type StreamFailure } from "../../proto/stream-backend.js";
import { startStreamServer } from "../../proto/stream-server.js";
import { decideHello, type Standing } from "../../replica/decide.js";
import { MemoryBackend } from "./memory-backend.js";
import { HELLO, LIMITS, type ClientKind, type ServerKind } from "./pairing.js";

/** The replica's record while it is tested. */
export const STANDING: Standing = {
  volume: HELLO.volume,
  replicaId: HELLO.replicaId,
  unfit: "",
  lostWrites: false,
  opening: "",
  member: {
    generation: HELLO.generation,
    members: [HELLO.replicaId],
    engineId: HELLO.engineId,
    engineBootId: "boot",
    engineState: new Uint8Array(),
    revisionAtLeast: 0,
    witnesses: [],
    reverting: "",
    leased: false,
    heldByAll: 0,
    absent: [],
  },
};

export const typescriptServer: ServerKind = {
  name: "TypeScript server",
  async open(size) {
    const backend = new MemoryBackend(size);
    const server = await startStreamServer({
      host: "127.0.0.1",
      port: 0,
      backend,
      limits: LIMITS,
      admit: (hello) => {
        const decided = decideHello(STANDING, PROTOCOL_VERSION, hello);
        if (!decided.accept) throw new StreamError(decided.status as StreamFailure, decided.message);
      },
    });
    return {
      port: server.port,
      close: () => {
        server.close();
        return Promise.resolve();
      },
    };
  },
};

export const typescriptClient: ClientKind = {
  name: "TypeScript client",
  async connect(port, hello) {
    const client = await StreamClient.connect(`127.0.0.1:${port}`, hello);
    return {
      hello: client.hello,
      read: (offset, length) => client.read(offset, length),
      write: (offset, data, options) => client.write(offset, data, options),
      flush: () => client.flush(),
      unmap: (offset, length) => client.unmap(offset, length),
      writeZeroes: (offset, length) => client.writeZeroes(offset, length),
      extents: async (offset, length) =>
        (await client.extents(offset, length)).flatMap((e) => [e.offset, e.length]),
      close: () => {
        client.close();
        return Promise.resolve();
      },
    };
  },
};
