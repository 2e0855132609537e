import fc from "fast-check";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { backingLayer } from "./backing-file.js";
import { readQcow2, type Qcow2Image } from "./qcow2.js";
import { ReplicaError } from "./replica-error.js";
import { scratch } from "./scratch.js";

const KIBI = 1024;

function readBytes(file: Buffer): Promise<Qcow2Image> {
  const readAt = (offset: number, length: number) => Promise.resolve(file.subarray(offset, offset + length));
  return readQcow2(readAt, file.length, "image");
}

/** The image's content, as the map tells. */
function flat(file: Buffer, { size, map }: Qcow2Image): Buffer {
  const content = Buffer.alloc(size);
  for (const [offset, length, at] of map) file.copy(content, offset, at, at + length);
  return content;
}

/** 1 MiB and a bit, with data, zeros and holes. */
function sample(): Buffer {
  const content = Buffer.alloc(1024 * KIBI + 5 * 512);
  content.fill("head", 0, 3000);
  content.fill("middle", 300 * KIBI, 500 * KIBI);
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
      t.ok(flat(file, image).equals(sample()), `${compat}, ${cluster}`);
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
  const content = flat(file, await readBytes(file));
  t.ok(content.subarray(128 * KIBI, 256 * KIBI).equals(Buffer.alloc(128 * KIBI)));
  t.ok(content.subarray(0, 128 * KIBI).equals(Buffer.alloc(128 * KIBI, 7)));
});

t.test("what we do not read is refused by name", async (t) => {
  const path = scratch(t);
  const at = (name: string) => join(path, name);
  writeFileSync(at("raw"), sample());
  const refusals: [string, () => Buffer, RegExp][] = [
    ["compression", () => convert(t, ["-c"]), /compressed clusters/],
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
  t.ok(flat(dirty, await readBytes(dirty)).equals(sample()), "wrong reference counts do not hinder reading");
});

t.test("damaged and truncated images end in an error or a map inside the file", async (t) => {
  const good = convert(t, ["-o", "cluster_size=4k"]);
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
      for (const [offset, count, from] of image.map) {
        if (offset < end || count <= 0 || offset + count > image.size || from + count > file.length) {
          throw new Error(`bad run ${offset}+${count} from ${from}`);
        }
        end = offset + count;
      }
    }),
    { numRuns: 1000 },
  );
  t.pass("no other outcome");
});

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
