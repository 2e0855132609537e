/** What every pair of client and server of the data stream has to do. */
import fc from "fast-check";
import t from "tap";
import { HELLO, type ClientKind, type ContractClient, type ServerKind } from "./pairing.js";

const SIZE = 8 << 20;
const SECTOR = 512;
const BLOCK = 4096;

/** Runs `body` with a connected pair and closes both ends, whatever happens. */
async function withPair(
  clients: ClientKind,
  servers: ServerKind,
  body: (client: ContractClient, close: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const server = await servers.open(SIZE);
  let closed: Promise<void> | null = null;
  const close = () => (closed ??= server.close());
  try {
    const client = await clients.connect(server.port, HELLO, SIZE);
    try {
      await body(client, close);
    } finally {
      await client.close();
    }
  } finally {
    await close();
  }
}

function bytes(length: number, seed: number): Buffer {
  const data = Buffer.alloc(length);
  for (let i = 0; i < length; i++) data[i] = (seed + i * 7 + (i >> 9)) & 0xff;
  return data;
}

export function dataplaneContract(clients: ClientKind, servers: ServerKind): void {
  void t.test(`${clients.name}, ${servers.name}`, (t) => {
    const pair = (body: (client: ContractClient, close: () => Promise<void>) => Promise<void>) =>
      withPair(clients, servers, body);

    void t.test("HELLO is answered with the size and the limits", (t) =>
      pair(async (client) => {
        const { hello } = client;
        await client.flush();
        t.equal(hello.size, SIZE);
        t.ok(
          hello.maxRequests > 0 &&
            hello.maxPayload >= 1 << 20 &&
            hello.maxPayloadInFlight >= hello.maxPayload,
        );
      }),
    );

    void t.test("HELLO of a stranger or an older engine is refused with the reason's status", async (t) => {
      const server = await servers.open(SIZE);
      try {
        const cases = [
          [{ volume: "another" }, "NOT_OPEN"],
          [{ replicaId: "another" }, "NOT_OPEN"],
          [{ generation: 6 }, "FENCED"],
          [{ generation: 8 }, "FENCED"],
          [{ engineId: "another" }, "FENCED"],
        ] as const;
        for (const [difference, code] of cases) {
          await t.rejects(clients.connect(server.port, { ...HELLO, ...difference }, SIZE), { code });
        }
        const client = await clients.connect(server.port, HELLO, SIZE); // the others did no harm
        await client.flush();
        await client.close();
      } finally {
        await server.close();
      }
    });

    void t.test("a fresh replica reads as zeros and has no extents", (t) =>
      pair(async (client) => {
        t.ok((await client.read(0, 1 << 20)).equals(Buffer.alloc(1 << 20)));
        t.same(await client.extents(0, SIZE), []);
      }),
    );

    void t.test("what was written is read, from a sector to the longest payload", (t) =>
      pair(async (client) => {
        for (const [offset, length] of [
          [0, SECTOR],
          [SIZE - SECTOR, SECTOR],
          [3 * SECTOR, 5 * BLOCK],
          [1 << 20, 1 << 20],
        ] as const) {
          // prettier-ignore
          const data = bytes(length, offset / SECTOR);
          await client.write(offset, data);
          t.ok((await client.read(offset, length)).equals(data), `${offset}+${length}`);
        }
      }),
    );

    void t.test("FUA writes and flushes are answered", (t) =>
      pair(async (client) => {
        await client.write(BLOCK, bytes(BLOCK, 1), { fua: true });
        await Promise.all([client.flush(), client.write(0, bytes(BLOCK, 2)), client.flush()]);
        await client.flush();
        t.pass("answered");
      }),
    );

    void t.test("unmap and write zeroes read as zeros; extents tell them apart", (t) =>
      pair(async (client) => {
        await client.write(0, bytes(8 * BLOCK, 3));
        await client.unmap(2 * BLOCK, 2 * BLOCK);
        await client.writeZeroes(4 * BLOCK, BLOCK);
        t.ok((await client.read(2 * BLOCK, 3 * BLOCK)).equals(Buffer.alloc(3 * BLOCK)));
        t.same(await client.extents(0, SIZE), [0, 2 * BLOCK, 4 * BLOCK, 4 * BLOCK]);
        t.same(await client.extents(BLOCK, 4 * BLOCK), [BLOCK, BLOCK, 4 * BLOCK, BLOCK]);
      }),
    );

    void t.test("a range beyond the end is OUT_OF_RANGE, the stream goes on", (t) =>
      pair(async (client) => {
        await t.rejects(client.read(SIZE, SECTOR), { code: "OUT_OF_RANGE" });
        await t.rejects(client.write(SIZE - SECTOR, bytes(2 * SECTOR, 1)), { code: "OUT_OF_RANGE" });
        await t.rejects(client.unmap(SIZE - SECTOR, 2 * SECTOR), { code: "OUT_OF_RANGE" });
        t.ok((await client.read(SIZE - SECTOR, SECTOR)).equals(Buffer.alloc(SECTOR)));
      }),
    );

    void t.test("more operations than the window are all answered", (t) =>
      pair(async (client) => {
        const count = 1000;
        const blocks = Array.from({ length: count }, (_, i) => i);
        await Promise.all(blocks.map((i) => client.write(i * BLOCK, bytes(BLOCK, i))));
        const read = await Promise.all(blocks.map((i) => client.read(i * BLOCK, BLOCK)));
        t.ok(blocks.every((i) => read[i]?.equals(bytes(BLOCK, i)) === true));
      }),
    );

    void t.test("more payload than the window is all written", (t) =>
      pair(async (client) => {
        const MEBI = 1 << 20;
        await Promise.all(Array.from({ length: 8 }, (_, i) => client.write(i * MEBI, bytes(MEBI, i))));
        const read = await Promise.all(Array.from({ length: 8 }, (_, i) => client.read(i * MEBI, MEBI)));
        t.ok(read.every((data, i) => data.equals(bytes(MEBI, i))));
      }),
    );

    void t.test("random operations agree with a plain array", async (t) => {
      const operation = fc.record({
        kind: fc.constantFrom("write", "write", "unmap", "writeZeroes", "read", "flush"),
        sector: fc.integer({ min: 0, max: SIZE / SECTOR - 1 }),
        sectors: fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 2048 })),
        seed: fc.nat(255),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { maxLength: 30 }), (operations) =>
          pair(async (client) => {
            const model = Buffer.alloc(SIZE);
            for (const { kind, sector, sectors, seed } of operations) {
              const offset = sector * SECTOR;
              const length = Math.min(sectors * SECTOR, SIZE - offset);
              const data = bytes(length, seed);
              if (kind === "write") await client.write(offset, data);
              else if (kind === "unmap") await client.unmap(offset, length);
              else if (kind === "writeZeroes") await client.writeZeroes(offset, length);
              else if (kind === "flush") await client.flush();
              else if (!(await client.read(offset, length)).equals(model.subarray(offset, offset + length))) {
                throw new Error(`read ${offset}+${length} differs`);
              }
              if (kind === "write") data.copy(model, offset);
              else if (kind === "unmap" || kind === "writeZeroes") model.fill(0, offset, offset + length);
            }
            for (let at = 0; at < SIZE; at += 1 << 20) {
              const data = await client.read(at, 1 << 20);
              if (!data.equals(model.subarray(at, at + (1 << 20))))
                throw new Error(`content differs after ${at}`);
            }
          }),
        ),
        { numRuns: 15 },
      );
      t.pass("agreed");
    });

    void t.test("operations in flight when the server goes away end as DISCONNECTED", (t) =>
      pair(async (client, closeServer) => {
        await client.write(0, bytes(BLOCK, 1));
        const reads = Array.from({ length: 200 }, (_, i) => client.read(i * BLOCK, BLOCK));
        const outcomes = Promise.allSettled(reads);
        await closeServer();
        const codes = (await outcomes).map((o) =>
          o.status === "fulfilled" ? "OK" : (o.reason as { code: string }).code,
        );
        t.ok(codes.every((code) => code === "OK" || code === "DISCONNECTED"), [...new Set(codes)].join(", ")); // prettier-ignore
        await t.rejects(client.read(0, BLOCK), { code: "DISCONNECTED" });
      }),
    );
    t.end();
  });
}
