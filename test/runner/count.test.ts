import t from "tap";
import { countCases, sum, summaryLine } from "./count.js";

const tap = `TAP version 14
# Subtest: dist/a.test.js
    # Subtest: reads back what was written
        ok 1 - detail
        not ok 2 - detail
        1..2
    not ok 1 - reads back what was written # time=3ms
    ok 2 - refuses a range past the end {
        1..0
    }
    ok 3 - later # SKIP no device
    1..3
not ok 1 - dist/a.test.js # time=100ms
# Subtest: dist/b.test.js
    ok 1 - plain
    1..1
not ok 2 - dist/b.test.js # timeout
`;

t.test("TAP: the tests of each file count, details do not, a file that dies counts once", async (t) => {
  t.same(countCases("tap", tap, 1), { passed: 2, failed: 2, skipped: 1 });
});

t.test("googletest: passed, failed and skipped are told apart", async (t) => {
  const output =
    "[  PASSED  ] 12 tests.\n[  SKIPPED ] 1 test, listed below:\n[  FAILED  ] 2 tests, listed below:\n";
  t.same(countCases("gtest", output, 1), { passed: 12, failed: 2, skipped: 1 });
  t.same(countCases("gtest", output + output, 1), { passed: 24, failed: 4, skipped: 2 });
});

t.test("the last summary line of a program is its result", async (t) => {
  t.same(countCases("summary", "1 passed, 1 failed\nx\n3 passed, 0 failed, 2 skipped\n", 0), {
    passed: 3,
    failed: 0,
    skipped: 2,
  });
});

t.test("a program that ran nothing, or exits with an error, has failed", async (t) => {
  t.equal(countCases("gtest", "", 0).failed, 1);
  t.equal(countCases("tap", "TAP version 14\n1..0\n", 0).failed, 1);
  t.equal(countCases("summary", "3 passed, 0 failed\n", 1).failed, 1);
  t.equal(countCases("check", "", 1).failed, 1);
  t.equal(countCases("check", "", 0).failed, 0);
});

t.test("the total names skipped tests only when there are any", async (t) => {
  const one = { passed: 1, failed: 0, skipped: 0 };
  t.equal(summaryLine(sum([one, one])), "2 passed, 0 failed");
  t.equal(summaryLine({ passed: 1, failed: 2, skipped: 3 }), "1 passed, 2 failed, 3 skipped");
});
