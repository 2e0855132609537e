import t from "tap";
import { parseSize } from "./size.js";

t.test("sizes are bytes, or a number with a suffix of base 1024 in any case", (t) => {
  const rows: [string, number][] = [
    ["0", 0],
    ["4194304", 4_194_304],
    ["4m", 4 << 20],
    ["4MiB", 4 << 20],
    ["1.5gb", 1.5 * 2 ** 30],
    ["1 k", 1024],
    ["2TI", 2 * 2 ** 40],
    ["1p", 2 ** 50],
    ["7b", 7],
    ["1.0001k", 1024],
  ];
  for (const [text, bytes] of rows) t.equal(parseSize(text), bytes, text);
  for (const text of ["", "-1", "x", "4mm", "1..5g", "100000p", "1e3"])
    t.throws(() => parseSize(text), { message: `invalid size: '${text}'` }, text);
  t.end();
});
