import t from "tap";
import { parsePortRange, PortAllocator } from "./ports.js";

t.test("blocks are contiguous, and freed ones come again after the end was reached", (t) => {
  const ports = new PortAllocator({ first: 100, last: 109 });
  t.equal(ports.allocate(0), null);
  const a = ports.allocate(4);
  const b = ports.allocate(4);
  t.strictSame([a, b], [{ first: 100, last: 103 }, { first: 104, last: 107 }]); // prettier-ignore
  ports.free(a);
  t.strictSame(ports.allocate(1), { first: 108, last: 108 });
  t.strictSame(ports.allocate(3), { first: 100, last: 102 }, "wraps: two do not fit behind");
  t.throws(() => ports.allocate(2), { message: "cannot find an empty port range of 2 ports in 100-109" });
  t.strictSame(ports.allocate(1), { first: 103, last: 103 });
  t.strictSame(ports.allocate(1), { first: 109, last: 109 });
  ports.free(b);
  ports.take({ first: 105, last: 105 });
  t.strictSame(ports.allocate(2), { first: 106, last: 107 });
  t.end();
});

t.test("a range is told by its first and last port", (t) => {
  t.strictSame(parsePortRange("10000-20000"), { first: 10_000, last: 20_000 });
  for (const text of ["", "1", "5-4", "0-3", "1-65536", "a-b"])
    t.throws(() => parsePortRange(text), RangeError);
  t.end();
});
