/** What every server answers to requests that no client of ours sends: malformed ones, from the twin. */
import { Client, credentials, status, type ServiceError } from "@grpc/grpc-js";
import crc32c from "fast-crc32c";
import t from "tap";
import { DataPlane, Op, type Request, type Response } from "../../proto/dataplane.js";
import { StreamClient } from "../../proto/stream-client.js";
import { HELLO, type ServerKind } from "./pairing.js";

const SIZE = 4 << 20;
const payload = Buffer.alloc(4096, 0x5a);
const write = { op: Op.OP_WRITE, offset: 0, length: 4096, crc32c: crc32c.calculate(payload), payload };

const UNKNOWN_OP = JSON.parse("99") as Op;

const REFUSED: [what: string, request: Partial<Omit<Request, "id">>, code: string][] = [
  ["a payload that does not match its checksum", { ...write, crc32c: write.crc32c ^ 1 }, "CHECKSUM_MISMATCH"],
  ["a payload shorter than the range", { ...write, length: 8192 }, "INVALID"],
  ["a payload longer than the range", { ...write, length: 512 }, "INVALID"],
  ["a write without payload", { ...write, payload: new Uint8Array() }, "INVALID"],
  ["an unaligned offset", { ...write, offset: 100 }, "INVALID"],
  ["an unaligned length", { op: Op.OP_READ, offset: 0, length: 1000 }, "INVALID"],
  ["an empty range", { op: Op.OP_READ, offset: 0, length: 0 }, "INVALID"],
  ["an oversize read", { op: Op.OP_READ, offset: 0, length: 2 << 20 }, "INVALID"],
  ["a range that passes the end", { ...write, offset: SIZE - 512 }, "OUT_OF_RANGE"],
  ["an offset near the end of numbers", { ...write, offset: 2 ** 53 - 4096 * 2 }, "OUT_OF_RANGE"],
  ["a payload where none belongs", { op: Op.OP_READ, offset: 0, length: 4096, payload }, "INVALID"],
  ["a flush with a payload", { op: Op.OP_FLUSH, payload }, "INVALID"],
  ["an unknown operation", { op: UNKNOWN_OP }, "INVALID"],
  ["no operation", {}, "INVALID"],
  ["HELLO with an id", { op: Op.OP_HELLO, hello: { protocolVersion: 1, ...HELLO } }, "INVALID"],
];

export function serverContract(servers: ServerKind): void {
  void t.test(`${servers.name} refuses what is malformed and goes on`, async (t) => {
    const server = await servers.open(SIZE);
    const client = await StreamClient.connect(`127.0.0.1:${server.port}`, HELLO);
    try {
      for (const [what, request, code] of REFUSED) {
        await t.rejects(client.request(request), { code }, what);
      }
      t.ok((await client.read(0, 8192)).equals(Buffer.alloc(8192)), "nothing was written");
      await client.request(write);
      t.ok((await client.read(0, 4096)).equals(payload), "a good write is taken");
    } finally {
      client.close();
      await server.close();
    }
  });

  void t.test(`${servers.name} refuses another protocol version`, async (t) => {
    const server = await servers.open(SIZE);
    try {
      const hello = { ...HELLO, protocolVersion: 2 };
      await t.rejects(StreamClient.connect(`127.0.0.1:${server.port}`, hello), { code: "INVALID" });
    } finally {
      await server.close();
    }
  });

  void t.test(`${servers.name} ends a stream that does not begin with HELLO`, async (t) => {
    const server = await servers.open(SIZE);
    const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
    try {
      for (const first of [{ id: 1, op: Op.OP_READ, length: 512 }, { op: Op.OP_HELLO }, write, {}]) {
        const { path, requestSerialize, responseDeserialize } = DataPlane.connect;
        const call = client.makeBidiStreamRequest<Partial<Request>, Response>(
          path,
          requestSerialize,
          responseDeserialize,
        );
        call.write(first);
        const outcome = await new Promise((resolve) => {
          call.on("data", resolve);
          call.on("error", (error: ServiceError) => resolve(error.code));
        });
        t.equal(outcome, status.INVALID_ARGUMENT);
      }
    } finally {
      client.close();
      await server.close();
    }
  });
}
