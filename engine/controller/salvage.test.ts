import t from "tap";
import { bestForSalvage, type Candidate } from "./salvage.js";

const SECOND_NS = 1e9;

function candidate(seconds: number, bytes: number, headFileSize = 4096): Candidate {
  const disks = { "volume-head-000.img": { size: String(bytes) } };
  return { lastModifyTime: seconds * SECOND_NS, headFileSize, disks };
}

t.test("the newest is salvaged, and of those as new the one with the largest head", async (t) => {
  t.equal(bestForSalvage([]), -1);
  t.equal(bestForSalvage([candidate(100, 1), candidate(200, 1), candidate(150, 1)]), 1);
  t.equal(bestForSalvage([candidate(100, 1, 8192), candidate(101, 1), candidate(102, 1)]), 0);
});

t.test("one whose directory was emptied is not, however new it is", async (t) => {
  t.equal(bestForSalvage([candidate(100, 1), candidate(900, 0), candidate(99, 1)]), 0);
  t.equal(bestForSalvage([candidate(100, 0), candidate(900, 0)]), 1);
});
