import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { open, readFile, readdir, rename, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import t, { type Test } from "tap";
import { hashFile, openStore, type NativeError, type ReplicaStore, type StoreOptions } from "./index.js";

const SIZE = 8 * 1024 * 1024;
const REGION = 1 << 20;

async function makeOptions(test: Test, cache: "writeback" | "none" = "writeback"): Promise<StoreOptions> {
  const directory = test.testdir({});
  const head = join(directory, "head.img");
  await (await open(head, "w")).close();
  await truncate(head, SIZE);
  return {
    layers: [{ path: head }],
    backing: false,
    size: SIZE,
    cache,
    regionMapPath: join(directory, "aurochs.regions"),
    regionSize: REGION,
    ioThreads: 2,
  };
}

function neverFatal(error: NativeError): void {
  throw error;
}

async function opened(test: Test, cache: "writeback" | "none" = "writeback"): Promise<ReplicaStore> {
  const store = await openStore(await makeOptions(test, cache), neverFatal);
  test.teardown(() => store.close());
  return store;
}

for (const cache of ["writeback", "none"] as const) {
  t.test(`cache ${cache}: what is written reads back, zeroes and unmaps read as zeros`, async (t) => {
    const store = await opened(t, cache);
    const data = randomBytes(65536);
    await store.write(4096, data, { fua: true });
    t.ok((await store.read(4096, 65536)).equals(data));
    await store.writeZeroes(4096, 8192);
    await store.unmap(12288, 4096);
    await store.flush();
    const found = await store.read(4096, 65536);
    t.ok(found.subarray(0, 12288).equals(Buffer.alloc(12288)));
    t.ok(found.subarray(12288).equals(data.subarray(12288)));
    t.same(await store.extents(0, SIZE), [4096, 8192, 16384, 53248]);
    const stats = store.stats();
    t.match(stats, { reads: 2, writes: 3, flushes: 1, dirtyRegions: 1, damagedMapBlocks: 0 });
    t.ok(stats.syncs >= 2 && stats.allocatedBytes > 0 && stats.indexBytes > 0);
  });
}

t.test("what is closed keeps no thread until it is collected", async (t) => {
  const options = await makeOptions(t);
  const threads = async (): Promise<number> => {
    const tasks = await readdir("/proc/self/task");
    const names = await Promise.all(
      tasks.map((id) => readFile(`/proc/self/task/${id}/comm`, "utf8").catch(() => "")),
    );
    return names.filter((name) => name === "aurochs-store\n").length;
  };
  const before = await threads();
  for (let times = 0; times < 3; times++) {
    const store = await openStore(options, neverFatal);
    await store.write(0, randomBytes(4096));
    t.equal(await threads(), before + 1);
    await store.close();
    await t.rejects(store.flush(), { code: "CLOSED" });
    t.throws(() => store.stats(), { code: "CLOSED" });
  }
  t.equal(await threads(), before);
});

t.test("regions become inherited at a takeover and are forgotten by agreement and release", async (t) => {
  const options = await makeOptions(t);
  const first = await openStore(options, neverFatal);
  await first.write(3 * REGION, randomBytes(4096));
  t.equal(first.inheritedRegions()[0], 0);
  await first.inherit();
  t.equal(first.inheritedRegions()[0], 1 << 3);
  await first.close();

  const second = await openStore(options, neverFatal);
  t.equal(second.inheritedRegions()[0], 1 << 3);
  await second.agreed();
  t.equal(second.inheritedRegions()[0], 0);
  await second.write(0, randomBytes(4096));
  await second.release();
  t.equal(second.stats().dirtyRegions, 0);
  await second.close();

  const third = await openStore(options, neverFatal);
  t.equal(third.inheritedRegions()[0], 0);
  await third.close();
});

t.test("what cannot be opened is named, and wrong arguments say which", async (t) => {
  const options = await makeOptions(t);
  const absent = join(t.testdirName, "absent.img");
  await t.rejects(openStore({ ...options, layers: [{ path: absent }] }, neverFatal), {
    code: "IO_ERROR",
    errno: 2,
    message: `${absent}: open: No such file or directory`,
  });
  await t.rejects(openStore({ ...options, size: -1 }, neverFatal), { code: "BAD_ARGUMENT" });
  await t.rejects(openStore({ ...options, cache: "writethrough" as "none" }, neverFatal), {
    code: "BAD_ARGUMENT",
  });
  const store = await openStore(options, neverFatal);
  t.teardown(() => store.close());
  await t.rejects(store.read(0.5, 512), { code: "BAD_ARGUMENT" });
  await t.rejects(store.read(100, 512), { code: "INVALID" });
  await t.rejects(store.write(SIZE, Buffer.alloc(512)), { code: "OUT_OF_RANGE" });
  await t.rejects(store.write(0, "text" as unknown as Uint8Array), { code: "BAD_ARGUMENT" });
});

t.test(
  "close() while busy answers what is in flight; closing twice is fine; later calls are CLOSED",
  async (t) => {
    const options = await makeOptions(t);
    const store = await openStore(options, neverFatal);
    const data = randomBytes(65536);
    const writes = Array.from({ length: 100 }, (_, i) => store.write(i * 65536, data, { fua: i % 3 === 0 }));
    const first = store.close();
    const second = store.close();
    await t.rejects(store.write(0, data), { code: "CLOSED" });
    await Promise.all(writes);
    await Promise.all([first, second]);
    await store.close();
    await t.rejects(store.flush(), { code: "CLOSED" });
    await t.rejects(store.inherit(), { code: "CLOSED" });
    t.throws(() => store.stats(), { code: "CLOSED" });
    t.throws(() => store.inheritedRegions(), { code: "CLOSED" });

    const again = await openStore(options, neverFatal);
    t.ok((await again.read(99 * 65536, 65536)).equals(data), "what was answered is there");
    await again.close();
  },
);

async function emptyFile(path: string, size: number): Promise<void> {
  await (await open(path, "wx")).close();
  await truncate(path, size);
}

async function snapshot(store: ReplicaStore, head: string, size: number): Promise<void> {
  await emptyFile(head, size);
  await store.prepareHead(head, size);
  await store.holdChanges();
  await store.switchLayers();
  store.resumeChanges();
}

t.test("snapshots, growth, merge, prune and revert under one open store", async (t) => {
  const options = await makeOptions(t);
  const [first, second, third, fourth] = ["head.img", "1.img", "2.img", "3.img"].map((name) =>
    join(t.testdirName, name),
  ) as [string, string, string, string];
  const store = await openStore(options, neverFatal);
  t.teardown(() => store.close());
  const data = [randomBytes(65536), randomBytes(65536), randomBytes(65536)] as const;
  await store.write(0, data[0]);
  await snapshot(store, second, SIZE);
  await store.write(32768, data[1]);
  await snapshot(store, third, SIZE * 2);
  await store.write(65536, data[2]);
  await store.write(SIZE, data[0]);
  const content = Buffer.concat([
    data[0].subarray(0, 32768),
    data[1].subarray(0, 32768),
    data[2],
    Buffer.alloc(32768),
  ]);
  t.ok((await store.read(0, content.length)).equals(content));
  t.ok((await store.read(SIZE, 65536)).equals(data[0]));

  const progress: number[][] = [];
  await t.rejects(
    store.mergeLayers(second, first, () => undefined),
    { code: "INVALID" },
  );
  await store.mergeLayers(first, second, (...step) => progress.push(step));
  t.same(progress.at(-1), [SIZE, SIZE]);
  await rename(first, second);
  await store.renameLayer(first, second);
  t.ok((await store.read(0, content.length)).equals(content));

  await store.pruneLayer(second, () => undefined);
  await store.setRemovedLayers([second]);
  await store.unmap(0, 65536);
  t.same(await store.extents(0, SIZE), [65536, 65536]);
  await store.setRemovedLayers([]);

  await emptyFile(fourth, SIZE * 2);
  await store.prepareLayers({ layers: [{ path: second }, { path: fourth }], backing: false, size: SIZE * 2 });
  await store.holdChanges();
  await store.switchLayers();
  store.resumeChanges();
  t.same(await store.extents(0, SIZE * 2), [], "all that the merged layer held was unmapped or pruned");
});

t.test("what does not fit the chain is refused, and the store goes on", async (t) => {
  const store = await opened(t);
  await t.rejects(store.switchLayers(), { code: "INVALID" });
  await t.rejects(store.prepareHead(join(t.testdirName, "absent"), SIZE), { code: "IO_ERROR" });
  await t.rejects(store.prepareHead("x", -1), { code: "BAD_ARGUMENT" });
  await t.rejects(store.setRemovedLayers(["x"]), { code: "INVALID" });
  await t.rejects(store.setRemovedLayers([1] as unknown as string[]), { code: "BAD_ARGUMENT" });
  await t.rejects(store.renameLayer("x", "y"), { code: "INVALID" });
  await t.rejects(
    store.mergeLayers("x", "y", () => undefined),
    { code: "INVALID" },
  );
  await t.rejects(store.pruneLayer("x", undefined as unknown as () => void), { code: "BAD_ARGUMENT" });
  await store.holdChanges();
  await t.rejects(store.holdChanges(), { code: "INVALID" });
  const waits = store.write(0, Buffer.alloc(512, 1));
  store.resumeChanges();
  await waits;
  await store.holdChanges();
  const never = store.write(0, Buffer.alloc(512, 2));
  const closed = store.close();
  await t.rejects(never, { code: "NOT_OPEN" });
  await closed;
  await t.rejects(store.holdChanges(), { code: "CLOSED" });
});

t.test("hashFile() is Longhorn's checksum, says why it failed, and can be cancelled", async (t) => {
  const hole = join(t.testdir({}), "hole.img");
  await emptyFile(hole, SIZE);
  t.equal(await hashFile(hole).checksum, "c0551c7f2227c9f8");
  const absent = join(t.testdirName, "absent");
  await t.rejects(hashFile(absent).checksum, { code: "IO_ERROR", errno: 2 });
  const large = join(t.testdirName, "large.img");
  await writeFile(large, randomBytes(64 << 20));
  const hashing = hashFile(large);
  hashing.cancel();
  await t.rejects(hashing.checksum, { code: "ABORTED" });
  t.throws(() => hashFile(1 as unknown as string), { code: "BAD_ARGUMENT" });
});

const addonUser = new URL("./index.js", import.meta.url).href;

// Opens a store, keeps it busy, then does `ending`.
function busyScript(options: StoreOptions, ending: string): string {
  return `
    import { openStore } from ${JSON.stringify(addonUser)};
    const store = await openStore(${JSON.stringify(options)}, (error) => { throw error; });
    for (let i = 0; i < 200; ++i) {
      store.write((i % 128) * 65536, Buffer.alloc(65536, i), { fua: true }).catch(() => {});
      store.read(0, 65536).catch(() => {});
    }
    ${ending}`;
}

t.test("a process may exit while its store is busy or still opening", async (t) => {
  const options = await makeOptions(t);
  const run = promisify(execFile);
  for (const ending of [
    "process.exit(0);",
    "setTimeout(() => process.exit(0), 5);",
    "await store.close();",
  ]) {
    await run(process.execPath, ["--input-type=module", "-e", busyScript(options, ending)]);
  }
  const opening = busyScript(options, "").replace("await openStore", "openStore").split("for (let")[0] ?? "";
  await run(process.execPath, ["--input-type=module", "-e", `${opening}; process.exit(0);`]);
  const store = await openStore(options, neverFatal);
  await store.close();
});

t.test("a worker may use a store, and end while it is busy", async (t) => {
  const options = await makeOptions(t);
  for (const ending of ["await store.close();", "process.exit(0);"]) {
    const source = `data:text/javascript,${encodeURIComponent(busyScript(options, ending))}`;
    const code = await new Promise<number>((resolve, reject) => {
      const worker = new Worker(new URL(source));
      worker.on("error", reject);
      worker.on("exit", resolve);
    });
    t.equal(code, 0);
  }
  const tells = `const { parentPort } = await import("node:worker_threads"); parentPort.postMessage("busy");`;
  const source = `data:text/javascript,${encodeURIComponent(busyScript(options, tells))}`;
  const worker = new Worker(new URL(source));
  await new Promise((resolve) => worker.once("message", resolve));
  await worker.terminate();
  const store = await openStore(options, neverFatal);
  t.ok((await store.read(0, 512)).length === 512);
  await store.close();
});

t.test("a store that nobody refers to stays open until it is closed", async (t) => {
  const options = await makeOptions(t);
  const script = `
    import { openStore } from ${JSON.stringify(addonUser)};
    const writes = [];
    await (async () => {
      const store = await openStore(${JSON.stringify(options)}, (error) => { throw error; });
      for (let i = 0; i < 50; ++i) writes.push(store.write(i * 4096, Buffer.alloc(4096, 1), { fua: true }));
    })();
    for (let i = 0; i < 5; ++i) { globalThis.gc(); await new Promise((resolve) => setTimeout(resolve, 1)); }
    await Promise.all(writes);
    process.exit(0);`;
  await promisify(execFile)(process.execPath, ["--expose-gc", "--input-type=module", "-e", script]);
  t.pass();
});
