import t from "tap";
import { privateBytes, privateBytesOf } from "./memory.js";

t.test("private memory is what is clean and dirty and not shared", async (t) => {
  const rollup = [
    "55d0-7ffd ---p 00000000 00:00 0                          [rollup]",
    "Rss:                1024 kB",
    "Shared_Clean:        900 kB",
    "Private_Clean:        24 kB",
    "Private_Dirty:       100 kB",
    "Private_Hugetlb:       0 kB",
  ].join("\n");
  t.equal(privateBytesOf(rollup), 124 * 1024);
});

t.test("this process has private memory, one that is not there is an error", async (t) => {
  t.ok((await privateBytes(process.pid)) > 2 ** 20);
  await t.rejects(privateBytes(2 ** 22), { code: "ENOENT" });
});
