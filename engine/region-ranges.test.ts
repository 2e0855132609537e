import t from "tap";
import fc from "fast-check";
import { bytesOf, touching, unionOfRegions, withoutRanges, type Range } from "./region-ranges.js";

const MIB = 1 << 20;

t.test("neighbouring regions of several replicas become pieces of bounded length", (t) => {
  const replies = [
    { regionSize: MIB, bitmap: Uint8Array.of(0b0000_0011) },
    { regionSize: MIB, bitmap: Uint8Array.of(0b1000_0110, 0b1) },
  ];
  t.strictSame(unionOfRegions(replies, 100 * MIB, 2 * MIB), [
    { offset: 0, length: 2 * MIB },
    { offset: 2 * MIB, length: MIB },
    { offset: 7 * MIB, length: 2 * MIB },
  ]);
  t.end();
});

t.test("the last region ends with the volume, and bits past it mean nothing", (t) => {
  const replies = [{ regionSize: MIB, bitmap: Uint8Array.of(0b110) }];
  t.strictSame(unionOfRegions(replies, MIB + 4096, 2 * MIB), [{ offset: MIB, length: 4096 }]);
  t.end();
});

t.test("what other ranges cover is left out, whatever they overlap", (t) => {
  const range = fc.record({
    offset: fc.integer({ min: 0, max: 40 }),
    length: fc.integer({ min: 1, max: 12 }),
  });
  // Ascending and without overlaps: as a bitmap gives them.
  const ranges = fc.array(range, { maxLength: 6 }).map((some) => {
    const bitmap = new Uint8Array(8);
    for (const { offset, length } of some)
      for (let at = offset; at < offset + length; at++)
        bitmap[at >> 3] = (bitmap[at >> 3] ?? 0) | (1 << (at & 7));
    return unionOfRegions([{ regionSize: 1, bitmap }], 64, 64);
  });
  const bytes = (some: Range[]) =>
    some.flatMap(({ offset, length }) => Array.from({ length }, (_, i) => offset + i));
  const property = fc.property(ranges, ranges, (some, excluded) => {
    const without = new Set(bytes(excluded));
    const expected = bytes(some).filter((byte) => !without.has(byte));
    const found = withoutRanges(some, excluded);
    return bytes(found).join() === expected.join() && found.every(({ length }) => length > 0);
  });
  const result = fc.check(property, { numRuns: 2_000 });
  t.notOk(result.failed, `seed ${result.seed}: ${JSON.stringify(result.counterexample)}`);
  t.end();
});

t.test("those that have something of a range are found", (t) => {
  const gaps = fc.array(fc.record({ gap: fc.nat(3), length: fc.integer({ min: 1, max: 3 }) }));
  const asked = fc.record({ offset: fc.nat(30), length: fc.integer({ min: 1, max: 9 }) });
  const found = (pieces: { gap: number; length: number }[], range: Range) => {
    let at = 0;
    const ranges = pieces.map(({ gap, length }) => ({ offset: (at += gap + length) - length, length }));
    const reaches = (one: Range) =>
      one.offset < range.offset + range.length && range.offset < one.offset + one.length;
    t.strictSame(touching(ranges, range), ranges.filter(reaches));
  };
  fc.assert(fc.property(gaps, asked, found));
  t.end();
});

t.test("every byte of a set region is covered exactly once, and no other", (t) => {
  const reply = fc.record({
    regionSize: fc.constantFrom(1, 2, 4),
    bitmap: fc.uint8Array({ minLength: 0, maxLength: 6 }),
  });
  const property = fc.property(fc.array(reply, { maxLength: 3 }), fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 9 }), (replies, size, max) => {
    const expected = Array.from({ length: size }, (_, byte) =>
      replies.some(({ regionSize, bitmap }) => {
        const region = Math.floor(byte / regionSize);
        return (((bitmap[region >> 3] ?? 0) >> (region & 7)) & 1) === 1;
      }) ? 1 : 0,
    );
    const covered = new Array<number>(size).fill(0);
    const ranges = unionOfRegions(replies, size, max);
    for (const { offset, length } of ranges) {
      if (length > max) return false;
      for (let byte = offset; byte < offset + length; byte++) covered[byte] = (covered[byte] ?? 0) + 1;
    }
    return bytesOf(ranges) === expected.filter(Boolean).length && covered.every((count, byte) => count === expected[byte]);
  }); // prettier-ignore
  const result = fc.check(property, { numRuns: 500 });
  t.notOk(result.failed, `seed ${result.seed}: ${JSON.stringify(result.counterexample)}`);
  t.end();
});
