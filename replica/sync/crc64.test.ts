import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { scratch } from "../scratch.js";
import { Crc64 } from "./crc64.js";
import { hashFile } from "./hash-file.js";
import { makeSparse } from "./testing.js";

function crc(data: Uint8Array): string {
  const sum = new Crc64();
  sum.update(data);
  return sum.digest();
}

t.test("known values", (t) => {
  t.equal(crc(Buffer.from("123456789")), "b90956c775a41001"); // the check value of CRC-64/GO-ISO
  const hole = new Crc64();
  hole.zeros(8 << 20);
  t.equal(hole.digest(), "c0551c7f2227c9f8", "8 MiB of hole, as Longhorn has it");
  t.end();
});

t.test("zeros are skipped as if they were read, and parts add up", (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      fc.nat(5_000),
      fc.uint8Array({ maxLength: 100 }),
      (a, zeros, b) => {
        const sum = new Crc64();
        sum.update(a);
        sum.zeros(zeros);
        sum.update(b);
        t.equal(sum.digest(), crc(Buffer.concat([a, Buffer.alloc(zeros), b])));
      },
    ),
  );
  t.end();
});

t.test("a file's checksum is of its whole content; hashing can be broken off", async (t) => {
  const path = join(scratch(t), "volume-snap-a.img");
  await makeSparse(path, 4 << 20, [
    [1 << 20, 12_288],
    [3 << 20, 4096],
  ]);
  const { readFile } = await import("node:fs/promises");
  t.equal(await hashFile(path, new AbortController().signal), crc(await readFile(path)));
  await t.rejects(hashFile(path, AbortSignal.abort(new Error("stop"))), { message: "stop" });
});
