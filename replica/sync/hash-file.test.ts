import { readFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { scratch } from "../scratch.js";
import { hashFile } from "./hash-file.js";
import { makeSparse } from "./testing.js";

/** CRC-64/GO-ISO, a bit at a time. */
function crc(data: Uint8Array): string {
  const ones = (1n << 64n) - 1n;
  let state = ones;
  for (const byte of data) {
    state ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) state = (state >> 1n) ^ ((state & 1n) * 0xd800000000000000n);
  }
  return (state ^ ones).toString(16).padStart(16, "0");
}

t.test("a file's checksum is of its whole content", async (t) => {
  t.equal(crc(Buffer.from("123456789")), "b90956c775a41001", "the check value of CRC-64/GO-ISO");
  const path = join(scratch(t), "volume-snap-a.img");
  await makeSparse(path, 512 << 10, [
    [128 << 10, 12_288],
    [256 << 10, 4096],
  ]);
  t.equal(await hashFile(path, new AbortController().signal), crc(await readFile(path)));
});

t.test("a hole is hashed as the zeros that it reads as", async (t) => {
  const path = join(scratch(t), "volume-snap-a.img");
  await makeSparse(path, 8 << 20, []);
  t.equal(
    await hashFile(path, new AbortController().signal),
    "c0551c7f2227c9f8",
    "8 MiB, as Longhorn has it",
  );
});

t.test("hashing can be broken off, before it begins and while it runs", async (t) => {
  const path = join(scratch(t), "volume-snap-a.img");
  await makeSparse(path, 64 << 20, [[0, 64 << 20]]);
  await t.rejects(hashFile(path, AbortSignal.abort(new Error("stop"))), { message: "stop" });
  const abort = new AbortController();
  const hashing = hashFile(path, abort.signal);
  abort.abort(new Error("enough"));
  await t.rejects(hashing, { message: "enough" });
});
