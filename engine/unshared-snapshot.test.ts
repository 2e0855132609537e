import t from "tap";
import { unsharedSnapshot } from "./unshared-snapshot.js";

const [A, B] = ["volume-snap-a.img", "volume-snap-b.img"];

/** @param files head's parent first */
function copy(files: string[], snapshots = files, created = files.map(() => "1")) {
  return { chain: ["volume-head-003.img", ...files], chainCreated: ["9", ...created], snapshots };
}

void t.test("a snapshot that one copy lacks is found on either side", async (t) => {
  t.equal(unsharedSnapshot(copy([B, A]), copy([A])), B);
  t.equal(unsharedSnapshot(copy([A]), copy([B, A])), B);
  t.equal(unsharedSnapshot(copy([]), copy([A])), A);
});

void t.test("one that was removed, and taken again under the same name, is another one", async (t) => {
  t.equal(unsharedSnapshot(copy([A], [A], ["1"]), copy([A], [A], ["2"])), A);
});

void t.test("what a purge removes, or is marked on one copy alone, is no difference", async (t) => {
  t.equal(unsharedSnapshot(copy([B, A], [B]), copy([B])), null);
  t.equal(unsharedSnapshot(copy([B, A]), copy([B, A], [B])), null);
  t.equal(unsharedSnapshot(copy([A]), { ...copy([A]), chain: ["volume-head-000.img", A] }), null);
});
