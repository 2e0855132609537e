import t from "tap";
import fc from "fast-check";
import { TEXT_BYTES_MAX } from "./limits.js";
import { encodeText, parseText, TextCollector, TextError } from "./text.js";

t.test("parses pairs, keeps '=' inside values and skips empty items", async (t) => {
  t.same(parseText(Buffer.from("A=1\0B=x=y\0C=\0\0")), [["A", "1"], ["B", "x=y"], ["C", ""]]); // prettier-ignore
  t.same(parseText(Buffer.from("A=1")), [["A", "1"]], "a missing last zero byte is tolerated");
});

t.test("refuses what breaks the format or a limit", async (t) => {
  for (const bad of [
    "A\0",
    "=1\0",
    "a b=1\0",
    `${"N".repeat(64)}=1\0`,
    `A=${"v".repeat(256)}\0`,
    `CHAP_C=${"v".repeat(4097)}\0`,
    "A=1\0".repeat(101),
  ])
    t.throws(() => parseText(Buffer.from(bad)), TextError, bad.slice(0, 20));
  t.equal(
    parseText(Buffer.from(`CHAP_C=0x${"0".repeat(2048)}\0`)).length,
    1,
    "large binary values may be long",
  );
});

t.test("a text cut anywhere into PDUs reads the same", async () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.stringMatching(/^[A-Z][A-Za-z0-9]{0,20}$/), fc.stringMatching(/^[ -~]{0,30}$/)), {
        maxLength: 20,
      }),
      fc.array(fc.nat(1_000), { maxLength: 6 }),
      (pairs, cuts) => {
        const whole = encodeText(pairs);
        const ends = [...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length];
        const collector = new TextCollector();
        let from = 0;
        let parsed: unknown = null;
        ends.forEach((end, index) => {
          parsed = collector.add(whole.subarray(from, end), index < ends.length - 1);
          from = end;
        });
        return JSON.stringify(parsed) === JSON.stringify(pairs);
      },
    ),
  );
});

t.test("an endless text is refused", async (t) => {
  const collector = new TextCollector();
  collector.add(Buffer.alloc(TEXT_BYTES_MAX, "A"), true);
  t.throws(() => collector.add(Buffer.from("A"), true), TextError);
});
