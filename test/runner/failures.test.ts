import t from "tap";
import { failuresIn } from "./failures.js";

const PASSED = Array.from({ length: 100 }, (_, i) => `ok ${i + 1} - fine`);

t.test("what failed is found among what did not, with what was expected", (t) => {
  const tap = [...PASSED, "    not ok 7 - should be equal", "      ---", "      found: 1", ...PASSED];
  t.strictSame(failuresIn(tap.join("\n")).slice(0, 3), tap.slice(100, 103));
  const gtest = [...PASSED, "volume_test.cc:7: Failure", "Expected: 2", "[  FAILED  ] Volume.Reads (0 ms)"];
  t.strictSame(failuresIn(gtest.join("\n")), gtest.slice(100));
  t.end();
});

t.test("of an output that names no failure the end is told; of many failures the first ones", (t) => {
  t.strictSame(failuresIn(`${PASSED.join("\n")}\nKilled\n`).at(-1), "Killed");
  t.ok(failuresIn(PASSED.join("\n")).length < 100);
  const many = failuresIn(PASSED.map((line) => `not ${line}`).join("\n"));
  t.equal(many[0], "not ok 1 - fine");
  t.ok(many.length < 100);
  t.end();
});
