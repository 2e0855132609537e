import fc from "fast-check";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { openStore, type ReplicaStore } from "../native/index.js";
import { backingLayer } from "./backing-file.js";
import { inflateCluster, readQcow2, type Qcow2Image } from "./qcow2.js";
import { ReplicaError } from "./replica-error.js";
import { scratch } from "./scratch.js";

const KIBI = 1024;

function readBytes(file: Buffer): Promise<Qcow2Image> {
  const readAt = (offset: number, length: number) => Promise.resolve(file.subarray(offset, offset + length));
  return readQcow2(readAt, file.length, "image");
}

/** The image's content, as the map tells. */
async function flat(file: Buffer, { size, map, clusterBytes }: Qcow2Image): Promise<Buffer> {
  const content = Buffer.alloc(size);
  for (const [offset, length, at, compressed] of map) {
    if (compressed === undefined) file.copy(content, offset, at, at + length);
    else {
      const cluster = await inflateCluster(file.subarray(at, at + compressed), clusterBytes, "image");
      cluster.copy(content, offset, 0, length);
    }
  }
  return content;
}

const NOISE = randomBytes(100 * KIBI);

/** 1 MiB and a bit, with data, some of which cannot be compressed, zeros and holes. */
function sample(): Buffer {
  const content = Buffer.alloc(1024 * KIBI + 5 * 512);
  content.fill("head", 0, 3000);
  content.fill("middle", 300 * KIBI, 500 * KIBI);
  NOISE.copy(content, 600 * KIBI);
  content.fill("tail", 1020 * KIBI);
  return content;
}

function qemuImg(...args: string[]): void {
  execFileSync("qemu-img", args, { stdio: ["ignore", "ignore", "inherit"] });
}

function convert(t: Parameters<typeof scratch>[0], options: string[]): Buffer {
  const path = scratch(t);
  writeFileSync(join(path, "raw"), sample());
  qemuImg("convert", "-f", "raw", "-O", "qcow2", ...options, join(path, "raw"), join(path, "image"));
  return readFileSync(join(path, "image"));
}

t.test("images of all versions and cluster sizes read as qemu wrote them", async (t) => {
  for (const compat of ["0.10", "1.1"]) {
    for (const cluster of ["512", "4k", "64k", "2M"]) {
      const file = convert(t, ["-o", `compat=${compat},cluster_size=${cluster}`]);
      const image = await readBytes(file);
      t.equal(image.size, sample().length, `${compat}, ${cluster}`);
      t.ok((await flat(file, image)).equals(sample()), `${compat}, ${cluster}`);
      t.ok(
        image.map.every(([offset], i) => i === 0 || offset > (image.map[i - 1]?.[0] ?? 0)),
        "ascending",
      );
    }
  }
});

t.test("clusters that are marked as zeros are not mapped", async (t) => {
  const path = join(scratch(t), "image");
  qemuImg("create", "-f", "qcow2", path, "1M");
  execFileSync("qemu-io", ["-c", "write -P 7 0 512k", "-c", "write -z 128k 128k", path], { stdio: "ignore" });
  const file = readFileSync(path);
  const content = await flat(file, await readBytes(file));
  t.ok(content.subarray(128 * KIBI, 256 * KIBI).equals(Buffer.alloc(128 * KIBI)));
  t.ok(content.subarray(0, 128 * KIBI).equals(Buffer.alloc(128 * KIBI, 7)));
});

t.test("what we do not read is refused by name", async (t) => {
  const path = scratch(t);
  const at = (name: string) => join(path, name);
  writeFileSync(at("raw"), sample());
  const refusals: [string, () => Buffer, RegExp][] = [
    ["zstd", () => convert(t, ["-c", "-o", "compression_type=zstd"]), /the compression type 1 \(zstd\); convert it with/],
    ["a compression of the future", () => edited((file) => (file.writeUInt8(8, 79), file.writeUInt8(9, 104))), /the compression type 9 \(unknown\)/],
    ["extended L2 entries", () => convert(t, ["-o", "extended_l2=on,cluster_size=16k"]), /extended L2/],
    ["a backing file", () => (qemuImg("create", "-f", "qcow2", "-b", at("raw"), "-F", "raw", at("over")), readFileSync(at("over"))), /backing file of its own/],
    ["encryption", () => edited((file) => file.writeUInt32BE(1, 32)), /encrypted/],
    ["external data", () => edited((file) => file.writeUInt8(4, 79)), /external data/],
    ["the corrupt mark", () => edited((file) => file.writeUInt8(2, 79)), /marked corrupt/],
    ["a feature of the future", () => edited((file) => file.writeUInt8(1, 72)), /unknown incompatible features/],
    ["a version of the future", () => edited((file) => file.writeUInt32BE(4, 4)), /version 4/],
  ]; // prettier-ignore
  const edited = (change: (file: Buffer) => void) => {
    const file = convert(t, []);
    change(file);
    return file;
  };
  for (const [what, make, message] of refusals) {
    await t.rejects(readBytes(make()), { code: "UNSUPPORTED", message }, what);
  }
  const dirty = edited((file) => file.writeUInt8(1, 79));
  t.ok(
    (await flat(dirty, await readBytes(dirty))).equals(sample()),
    "wrong reference counts do not hinder reading",
  );
});

/** A store on an image and an empty head above it. */
async function storeOn(
  t: Test,
  image: string,
  size: number,
  cache: "writeback" | "none" = "writeback",
): Promise<ReplicaStore> {
  const directory = scratch(t);
  const head = join(directory, "head");
  writeFileSync(head, "");
  truncateSync(head, size);
  const layers = [await backingLayer(image, size), { path: head }];
  const regionMapPath = join(directory, "regions");
  const store = await openStore(
    { layers, backing: true, size, cache, regionMapPath, regionSize: 1 << 20, ioThreads: 4 },
    (error) => {
      throw error;
    },
  );
  t.teardown(() => store.close());
  return store;
}

t.test("compressed images read as qemu reads them, from TypeScript and through a store", async (t) => {
  const path = scratch(t);
  const [image, raw] = [join(path, "image"), join(path, "raw")];
  for (const compat of ["0.10", "1.1"]) {
    for (const cluster of ["512", "4k", "64k", "2M"]) {
      const what = `${compat}, ${cluster}`;
      const file = convert(t, ["-c", "-o", `compat=${compat},cluster_size=${cluster}`]);
      writeFileSync(image, file);
      qemuImg("convert", "-f", "qcow2", "-O", "raw", image, raw);
      const content = readFileSync(raw);
      t.ok(content.equals(sample()), `${what}: qemu`);
      const found = await readBytes(file);
      t.ok(found.map.some((run) => run.length === 4), `${what}: some are compressed`); // prettier-ignore
      t.ok((await flat(file, found)).equals(content), `${what}: TypeScript`);
      for (const cache of ["writeback", "none"] as const) {
        const size = 2048 * KIBI;
        const store = await storeOn(t, image, size, cache);
        const whole = await store.read(0, size);
        t.ok(whole.subarray(0, content.length).equals(content), `${what}, ${cache}: as a whole`);
        t.ok(
          whole.subarray(content.length).equals(Buffer.alloc(size - content.length)),
          "zeros behind its end",
        );
        await Promise.all(
          Array.from({ length: 200 }, async (_, i) => {
            const offset = ((i * 7919) % 2040) * 512;
            const length = 512 * (1 + (i % 8));
            const got = await store.read(offset, length);
            if (!got.equals(content.subarray(offset, offset + length)))
              t.fail(`${what}, ${cache}: ${offset}`);
          }),
        );
        // The rest of the block comes from the image.
        await store.write(300 * KIBI + 512, Buffer.alloc(512, 1));
        const block = Buffer.from(content.subarray(300 * KIBI, 304 * KIBI)).fill(1, 512, 1024);
        t.ok((await store.read(300 * KIBI, 4 * KIBI)).equals(block), `${what}, ${cache}: written in part`);
      }
    }
  }
});

t.test("a compressed cluster that is damaged is an error of what is read there", async (t) => {
  const file = convert(t, ["-c"]);
  const { map, clusterBytes } = await readBytes(file);
  const [, , at = 0, bytes = 0] = map.find((run) => run.length === 4) ?? [];
  const image = join(scratch(t), "image");
  const damages: [string, (damaged: Buffer) => void][] = [
    ["what is no deflate stream", (damaged) => damaged.fill(0xff, at, at + 16)],
    // One stored block without data, the last one.
    ["a stream that ends too soon", (damaged) => damaged.set([1, 0, 0, 0xff, 0xff], at)],
  ];
  for (const [what, damage] of damages) {
    const damaged = Buffer.from(file);
    damage(damaged);
    await t.rejects(
      inflateCluster(damaged.subarray(at, at + bytes), clusterBytes, "image"),
      { code: "DAMAGED", message: "image: a compressed cluster is damaged" },
      what,
    );
    writeFileSync(image, damaged);
    const store = await storeOn(t, image, 2048 * KIBI);
    await t.rejects(store.read(0, 512), { message: /image: read: a compressed cluster is damaged/ }, what);
    t.ok((await store.read(1024 * KIBI, 2048)).equals(sample().subarray(1024 * KIBI, 1024 * KIBI + 2048)));
  }
  await t.rejects(
    inflateCluster(file.subarray(at, at + bytes), clusterBytes / 2, "image"),
    { code: "DAMAGED" },
    "a stream of more than a cluster",
  );
  const l1 = Number(file.readBigUInt64BE(40));
  const l2 = Number(file.readBigUInt64BE(l1) & 0x00ff_ffff_ffff_fe00n);
  file.writeBigUInt64BE(file.readBigUInt64BE(l2) | (1n << 40n), l2);
  await t.rejects(readBytes(file), { code: "DAMAGED", message: /the compressed cluster of offset 0 lies beyond the end/ }); // prettier-ignore
});

for (const options of [[], ["-c"]])
  t.test(
    `damaged and truncated images end in an error or a map inside the file ${options.join("")}`,
    async (t) => {
      const good = convert(t, ["-o", "cluster_size=4k", ...options]);
      const damage = fc.record({
        length: fc.oneof(fc.constant(good.length), fc.nat(good.length)),
        edits: fc.array(fc.tuple(fc.oneof(fc.nat(112), fc.nat(64 * KIBI)), fc.nat(255)), { maxLength: 6 }),
      });
      await fc.assert(
        fc.asyncProperty(damage, async ({ length, edits }) => {
          const file = Buffer.from(good.subarray(0, length));
          for (const [offset, value] of edits) if (offset < file.length) file[offset] = value;
          let image: Qcow2Image;
          try {
            image = await readBytes(file);
          } catch (error) {
            if (!(error instanceof ReplicaError)) throw error;
            return;
          }
          let end = 0;
          for (const [offset, count, from, compressed = count] of image.map) {
            if (
              offset < end ||
              count <= 0 ||
              offset + count > image.size ||
              from + compressed > file.length
            ) {
              throw new Error(`bad run ${offset}+${count} from ${from}`);
            }
            if (compressed <= 0 || (compressed !== count && compressed > 2 * image.clusterBytes)) {
              throw new Error(`bad compressed run ${offset}+${count} of ${compressed}`);
            }
            end = offset + count;
          }
          await flat(file, image).catch((error: unknown) => {
            if (!(error instanceof ReplicaError)) throw error;
          });
        }),
        { numRuns: 1000 },
      );
      t.pass("no other outcome");
    },
  );

t.test("a backing file is told by its magic, and cut to the volume", async (t) => {
  const path = scratch(t);
  writeFileSync(join(path, "raw"), sample());
  t.same(await backingLayer(join(path, "raw"), 1 << 20), { path: join(path, "raw") });
  writeFileSync(join(path, "short"), "QF");
  t.same(await backingLayer(join(path, "short"), 1 << 20), { path: join(path, "short") });
  writeFileSync(join(path, "image"), convert(t, []));
  const { map } = await backingLayer(join(path, "image"), 400 * KIBI);
  const last = map?.at(-1);
  t.equal((last?.[0] ?? 0) + (last?.[1] ?? 0), 400 * KIBI);
  await t.rejects(backingLayer(join(path, "absent"), 1), {
    code: "MISSING",
    message: /backing file .*absent/,
  });
  await t.rejects(backingLayer(path, 1), { code: "FOREIGN" });
});
