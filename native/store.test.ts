import { randomBytes } from "node:crypto";
import { open, truncate } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { openStore, type NativeError, type ReplicaStore, type StoreOptions } from "./index.js";

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
