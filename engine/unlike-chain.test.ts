import t from "tap";
import { unlikeChain } from "./unlike-chain.js";

const [A, B] = ["volume-snap-a.img", "volume-snap-b.img"];

/** @param files head's parent first */
function copy(files: string[], snapshots = files, created = files.map(() => "1")) {
  return { chain: ["volume-head-003.img", ...files], chainCreated: ["9", ...created], snapshots };
}

const unshared = (file: string) => `${file} is not both there and at`;

void t.test("a snapshot that one copy lacks is found on either side", async (t) => {
  t.equal(unlikeChain(copy([B, A]), copy([A]), ""), unshared(B));
  t.equal(unlikeChain(copy([A]), copy([B, A]), ""), unshared(B));
  t.equal(unlikeChain(copy([]), copy([A]), ""), unshared(A));
});

void t.test("one that was removed, and taken again under the same name, is another one", async (t) => {
  t.equal(unlikeChain(copy([A], [A], ["1"]), copy([A], [A], ["2"]), ""), unshared(A));
});

void t.test("what a purge removes, or is marked on one copy alone, is no difference", async (t) => {
  t.equal(unlikeChain(copy([B, A], [B]), copy([B]), ""), null);
  t.equal(unlikeChain(copy([B, A]), copy([B, A], [B]), ""), null);
  t.equal(unlikeChain(copy([A]), { ...copy([A]), chain: ["volume-head-000.img", A] }, ""), null);
});

void t.test("copies of which one was reverted differ, whatever their heads are called", async (t) => {
  const [reverted, other] = [{ ...copy([A]), chainCreated: ["10", "1"] }, copy([A])];
  t.equal(unlikeChain(reverted, other, "10"), "a revert was made either there or at");
  t.equal(unlikeChain(other, reverted, "10"), "a revert was made either there or at");
  t.equal(unlikeChain(reverted, reverted, "10"), null);
  t.equal(unlikeChain(other, other, "10"), null);
  // Each replica's head is its own where no revert is named.
  t.equal(unlikeChain(reverted, other, ""), null);
});
