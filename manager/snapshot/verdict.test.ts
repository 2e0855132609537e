import t from "tap";
import type { SnapshotHash } from "../operations.js";
import { judge } from "./verdict.js";

const hash = (checksum: string, changes: Partial<SnapshotHash> = {}): SnapshotHash => ({ state: "complete", checksum, error: "", silentlyCorrupted: false, ...changes }); // prettier-ignore
const rotten = hash("a", { silentlyCorrupted: true });

t.test("the majority is right, then what was known", (t) => {
  const [a, b] = [hash("a"), hash("b")];
  t.strictSame(judge({ x: a, y: a }, ""), { is: "known", checksum: "a", sound: ["x", "y"], corrupt: [] });
  t.match(judge({ x: a, y: b, z: a }, "b"), { checksum: "a", sound: ["x", "z"], corrupt: ["y"] });
  t.match(judge({ x: a, y: b }, "b"), { checksum: "b", sound: ["y"], corrupt: ["x"] });
  t.equal(judge({ x: a, y: b }, "").is, "undecided");
  t.equal(judge({ x: a, y: b }, "c").is, "undecided");
  t.end();
});

t.test("a copy that has noticed that it changed by itself still tells what it was, and is not sound", (t) => {
  t.match(judge({ x: rotten, y: hash("a") }, ""), { checksum: "a", sound: ["y"], corrupt: ["x"] });
  t.equal(judge({ x: rotten, y: hash("b") }, "").is, "undecided");
  t.equal(judge({ x: rotten, y: hash("b") }, "a").is, "undecided", "none is what it was");
  t.equal(
    judge({ x: rotten, y: rotten, z: hash("b") }, "").is,
    "undecided",
    "the last one is worse than it looks",
  );
  t.equal(judge({ x: rotten, y: rotten }, "a").is, "undecided");
  t.end();
});

t.test("without all answers nothing is said about any copy", (t) => {
  t.equal(judge({ x: hash("a"), y: hash("b"), z: hash("", { state: "error", error: "gone" }) }, "a").is, "unknown"); // prettier-ignore
  t.equal(judge({ x: hash("a"), y: hash("", { state: "" }) }, "a").is, "unknown");
  t.equal(judge({ x: hash("a") }, "b").is, "unknown");
  t.end();
});
