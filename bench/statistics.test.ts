import t from "tap";
import { median, summarize, summarizeRatios } from "./statistics.js";

t.test("the median is the middle value, or the mean of the two middle ones", async (t) => {
  t.equal(median([7]), 7);
  t.equal(median([3, 100, 1]), 3);
  t.equal(median([4, 1, 3, 2]), 2.5);
  t.throws(() => median([]), RangeError);
});

t.test("a summary leaves its values in their order", async (t) => {
  const values = [5, 1, 9];
  t.same(summarize(values), { median: 5, min: 1, max: 9 });
  t.same(values, [5, 1, 9]);
});

t.test("ratios are taken round by round", async (t) => {
  // A machine that became ten times slower in the second round does not change the comparison.
  t.same(summarizeRatios([200, 20, 220], [100, 10, 100]), { median: 2, min: 2, max: 2.2 });
  t.throws(() => summarizeRatios([1, 2], [1]), /the same rounds/);
  t.throws(() => summarizeRatios([1], [0]), /a ratio to nothing/);
});
