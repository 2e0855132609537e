import fc from "fast-check";
import t from "tap";
import { Coverage } from "./coverage.js";

t.test("a range set knows the first byte that is missing", (t) => {
  const size = 64;
  const range = fc
    .tuple(fc.nat(size), fc.nat(size))
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
  fc.assert(
    fc.property(fc.array(range, { maxLength: 40 }), (ranges) => {
      const coverage = new Coverage();
      const model = new Uint8Array(size);
      for (const [begin, end] of ranges) {
        coverage.add(begin, end);
        model.fill(1, begin, end);
        const gap = model.indexOf(0);
        t.equal(coverage.firstGap(size), gap < 0 ? null : gap);
      }
    }),
  );
  t.end();
});
