import fc from "fast-check";
import t from "tap";
import { bytesOf, formatExtents, holesOf, parseExtents, type Extent } from "./extents.js";
import { EXTENTS_PER_REQUEST_MAX } from "./limits.js";

const layout = fc
  .tuple(
    fc.nat({ max: 2 ** 45 }),
    fc.array(fc.tuple(fc.nat({ max: 2 ** 31 }), fc.integer({ min: 1, max: 2 ** 21 })), {
      minLength: 1,
      maxLength: 40,
    }),
    fc.nat({ max: 2 ** 31 }),
  )
  .map(([begin, parts, rest]) => {
    const extents: Extent[] = [];
    let end = begin;
    for (const [hole, length] of parts) {
      extents.push({ offset: end + hole, length });
      end += hole + length;
    }
    return { range: { begin, end: end + rest }, extents };
  });

t.test("extents read as they were written, with the data behind them", (t) => {
  fc.assert(
    fc.property(layout, fc.uint8Array({ maxLength: 64 }), ({ range, extents }, data) => {
      const parsed = parseExtents(range, Buffer.concat([formatExtents(range, extents), data]));
      t.strictSame(parsed.extents, extents);
      t.ok(parsed.data.equals(data));
      const holes = holesOf(range, extents);
      t.equal(bytesOf(holes) + bytesOf(extents), range.end - range.begin);
    }),
    { numRuns: 200 },
  );
  t.end();
});

t.test("whatever bytes come, extents lie in the range, in order, or are refused", (t) => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    layout.map(({ range, extents }) => formatExtents(range, extents)),
  );
  fc.assert(
    fc.property(anything, fc.nat({ max: 2 ** 40 }), fc.nat({ max: 2 ** 32 }), (bytes, begin, length) => {
      const range = { begin, end: begin + length };
      try {
        let end = begin;
        for (const extent of parseExtents(range, Buffer.from(bytes)).extents) {
          if (extent.offset < end || extent.length < 1) return false;
          end = extent.offset + extent.length;
        }
        return end <= range.end;
      } catch (error) {
        return error instanceof RangeError;
      }
    }),
    { numRuns: 2_000 },
  );
  const range = { begin: 0, end: 2 ** 40 };
  const many = Array.from({ length: EXTENTS_PER_REQUEST_MAX + 1 }, (_, i) => ({ offset: 2 * i, length: 1 }));
  t.throws(() => parseExtents(range, formatExtents(range, many)), { message: /extents in a body/ });
  t.end();
});
