import fc from "fast-check";
import t from "tap";
import { formatTarget, parseDirectIo, parseRange, parseTarget, REQUESTS, type RequestName } from "./query.js";

t.test("what is formatted comes back", (t) => {
  const names = Object.keys(REQUESTS) as RequestName[];
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.dictionary(fc.string({ minLength: 1 }), fc.string()),
      (name, query) => {
        const parsed = parseTarget(formatTarget(name, query));
        t.equal(parsed?.name, name);
        t.strictSame([...(parsed?.query ?? [])].sort(), Object.entries(query).sort());
      },
    ),
  );
  t.end();
});

t.test("any request line is taken apart without an exception, or none of ours", (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `/v1-ssync/open?${text}`),
      ),
      (line) => {
        const parsed = parseTarget(line);
        if (parsed === null) return;
        for (const read of [() => parseRange(parsed.query), () => parseDirectIo(parsed.query)]) {
          try {
            read();
          } catch (error) {
            t.ok(error instanceof RangeError);
          }
        }
      },
    ),
  );
  t.end();
});

t.test("a range is two whole numbers in order", (t) => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
      const [begin, end] = [Math.min(a, b), Math.max(a, b)];
      t.strictSame(parseRange(new URLSearchParams({ begin: String(begin), end: String(end) })), {
        begin,
        end,
      });
      if (begin < end)
        t.throws(() => parseRange(new URLSearchParams({ begin: String(end), end: String(begin) })));
    }),
  );
  const refused = ["", "begin=1", "end=1", "begin=-1&end=1", "begin=1&end=1e3", "begin=0&end=0x10", "begin=0&end=9223372036854775807"]; // prettier-ignore
  for (const text of refused) t.throws(() => parseRange(new URLSearchParams(text)), RangeError, text);
  t.end();
});
