import { once } from "node:events";
import { closeSync } from "node:fs";
import { open, truncate } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import t, { type Test } from "tap";
import { DataServer, listenTcp, openStore, Volume, type Hello, type VolumeEvent } from "./index.js";

const SIZE = 8 << 20;
const HELLO: Hello = { volume: "v", replicaId: "r", engineId: "e", generation: 1 };

/** A replica that takes every engine. */
async function serve(test: Test): Promise<{ port: number; close: () => Promise<void> }> {
  const directory = test.testdir({});
  const head = join(directory, "head.img");
  await (await open(head, "w")).close();
  await truncate(head, SIZE);
  const store = await openStore(
    {
      layers: [{ path: head }],
      backing: false,
      size: SIZE,
      cache: "writeback",
      regionMapPath: join(directory, "regions"),
      regionSize: 1 << 20,
      ioThreads: 2,
    },
    (error) => {
      throw error;
    },
  );
  const limits = { maxRequests: 1024, maxPayload: 1 << 20, maxPayloadInFlight: 64 << 20, connectionsMax: 8 };
  const server: DataServer = new DataServer(store, limits, (event) => {
    if (event.type === "hello") server.accept(event.stream);
  });
  const { fd, port } = listenTcp("127.0.0.1", 0);
  server.listen(fd);
  closeSync(fd);
  let closed: Promise<void> | null = null;
  const close = () => (closed ??= server.close().then(() => store.close()));
  test.teardown(close);
  return { port, close };
}

async function attach(
  test: Test,
  events: VolumeEvent[],
): Promise<{ volume: Volume; close: () => Promise<void> }> {
  const { port, close } = await serve(test);
  const volume = new Volume({ size: SIZE, replicaTimeoutMs: 60_000 }, (event) => events.push(event));
  test.teardown(() => volume.close());
  await volume.connect(0, "localhost", port, HELLO);
  await volume.setMode(0, "RW");
  return { volume, close };
}

t.test("a volume that has grown takes I/O up to its new end, and never shrinks", async (t) => {
  const { port } = await serve(t);
  const half = SIZE / 2;
  const volume = new Volume({ size: half, replicaTimeoutMs: 60_000 }, () => undefined);
  t.teardown(() => volume.close());
  await volume.connect(0, "localhost", port, HELLO);
  await volume.setMode(0, "RW");
  const data = Buffer.alloc(4096, 7);
  await t.rejects(volume.write(null, half, data), { code: "OUT_OF_RANGE" });
  await t.rejects(volume.grow(half + 1), { code: "BAD_ARGUMENT" });
  await volume.grow(SIZE);
  await volume.write(null, SIZE - data.length, data);
  t.ok((await volume.read(null, SIZE - data.length, data.length)).equals(data));
  await t.rejects(volume.write(null, SIZE, data), { code: "OUT_OF_RANGE" });
  await t.rejects(volume.grow(half), { code: "BAD_ARGUMENT" });
});

t.test("calls longer than one payload are split and joined", async (t) => {
  const { volume } = await attach(t, []);
  const data = Buffer.alloc((5 << 20) + 512, 0x5a);
  data.writeUInt32BE(7, 3 << 20);
  await volume.write(null, 1024, data, { fua: true });
  t.ok((await volume.read(null, 1024, data.length)).equals(data));
  t.same(await volume.extents(null, 0, SIZE), [0, (5 << 20) + 4096]);
  await volume.settle();
  t.match(volume.stats(), { writes: 6, failed: 0, inFlight: 0 });
});

t.test("wrong arguments are named", async (t) => {
  const { volume } = await attach(t, []);
  await t.rejects(volume.read(null, 1, 512), { code: "BAD_ARGUMENT", message: /multiples of 512/ });
  await t.rejects(volume.write(16, 0, Buffer.alloc(512)), { code: "BAD_ARGUMENT", message: /slot/ });
  await t.rejects(volume.copy(0, 0, 0, 512), { code: "BAD_ARGUMENT", message: /different slots/ });
  await t.rejects(volume.read(null, SIZE, 512), { code: "OUT_OF_RANGE" });
  await t.rejects(volume.connect(1, "host.invalid", 1, HELLO), { code: "DISCONNECTED" });
  t.throws(() => new Volume({ size: 100, replicaTimeoutMs: 1 }, () => undefined), { code: "BAD_ARGUMENT" });
});

t.test("the end of a stream is told and holds operations until they are failed", async (t) => {
  const events: VolumeEvent[] = [];
  const { volume, close } = await attach(t, events);
  await close();
  while (events.length === 0) await setImmediate();
  t.match(events, [{ type: "disconnected", slot: 0 }]);
  // Listened to from the start: it may be rejected before what rejects it has answered.
  const refused = t.rejects(volume.write(null, 0, Buffer.alloc(512)), { code: "IO_ERROR" });
  t.equal(volume.stats().slots[0]?.held, 1);
  t.equal(await volume.failHeld(0, "IO_ERROR"), 0, "it may still be done");
  await volume.refuse("IO_ERROR");
  t.equal(await volume.failHeld(0, "IO_ERROR"), 1);
  await refused;
});

t.test("close is idempotent, ends what is in flight, and everything after it is CLOSED", async (t) => {
  const { volume } = await attach(t, []);
  const reads = Array.from({ length: 300 }, (_, i) => volume.read(null, i * 4096, 4096));
  const outcomes = Promise.allSettled(reads);
  await Promise.all([volume.close(), volume.close()]);
  await volume.close();
  for (const outcome of await outcomes) {
    t.ok(outcome.status === "fulfilled" || (outcome.reason as { code: string }).code === "ABORTED");
  }
  await t.rejects(volume.flush(null), { code: "CLOSED" });
  await t.rejects(volume.connect(0, "localhost", 1, HELLO), { code: "CLOSED" });
  t.throws(() => volume.stats(), { code: "CLOSED" });
});

t.test("a worker may end in the middle of everything", async (t) => {
  const { port } = await serve(t);
  const index = new URL("./index.js", import.meta.url).href;
  const source = `
    import { parentPort } from "node:worker_threads";
    const { Volume } = await import(${JSON.stringify(index)});
    const volume = new Volume({ size: ${SIZE}, replicaTimeoutMs: 60000 }, () => undefined);
    await volume.connect(0, "localhost", ${port}, ${JSON.stringify(HELLO)});
    await volume.setMode(0, "RW");
    const write = () => volume.write(null, 0, Buffer.alloc(65536)).then(write);
    for (let i = 0; i < 32; i++) write();
    parentPort.postMessage("busy");`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  await once(worker, "message");
  await worker.terminate();
  const volume = new Volume({ size: SIZE, replicaTimeoutMs: 60_000 }, () => undefined);
  await volume.connect(0, "localhost", port, HELLO);
  t.equal((await volume.read(0, 0, 512)).length, 512);
  await volume.close();
});
