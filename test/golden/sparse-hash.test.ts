import { createHash, randomBytes } from "node:crypto";
import t from "tap";
import { sparseHash } from "./sparse-hash.js";

const MIB = 1 << 20;

const hashOf = (bytes: Buffer) =>
  sparseHash(bytes.length, (at, length) => Promise.resolve(bytes.subarray(at, at + length)));

t.test("it is SHA-256, whatever is zero, and differs wherever a byte does", async (t) => {
  const mixed = Buffer.alloc(3 * MIB + 777);
  randomBytes(MIB).copy(mixed, MIB / 2);
  const contents = [Buffer.alloc(0), Buffer.alloc(5), Buffer.alloc(MIB), Buffer.alloc(2 * MIB), mixed];
  for (const at of [0, MIB - 1, MIB, 3 * MIB + 776]) {
    const changed = Buffer.from(mixed);
    changed.writeUInt8((changed[at] ?? 0) ^ 1, at);
    contents.push(changed);
  }
  // The second time each is known.
  for (const bytes of [...contents, ...contents])
    t.equal(await hashOf(bytes), createHash("sha256").update(bytes).digest("hex"));
});

t.test("a content that is not all there is none", async (t) => {
  await t.rejects(sparseHash(10, () => Promise.resolve(Buffer.alloc(9))));
});
