import t from "tap";
import { ReplicaCounts } from "./replica-counts.js";
import type { ReplicaState } from "./replica-state.js";

const slot = (state: ReplicaState, facts: { ordered?: boolean; announced?: boolean } = {}) => ({
  ...{ state, joining: false, ordered: false, announced: false },
  ...facts,
});
const resyncing: ReplicaState = {
  mode: "RESYNC",
  progress: { method: "", comparedBytes: 0, totalBytes: 0, movedBytes: 0 },
};
const failed = { type: "failed", cause: "" } as const;

t.test("a member that fails is counted once, and not when somebody takes it away", async (t) => {
  const counts = new ReplicaCounts();
  counts.note(slot({ mode: "RW" }), failed);
  counts.note(slot({ mode: "ERR", cause: "" }), failed);
  counts.note(slot(resyncing), failed);
  counts.note(slot({ mode: "RW" }, { announced: true }), failed);
  t.equal(counts.failures, 1);
});

t.test("what is moved counts by whether the replica is new", async (t) => {
  const counts = new ReplicaCounts();
  const resynced = { type: "resynced", comparedBytes: 10, movedBytes: 3 } as const;
  counts.note(slot(resyncing, { ordered: true }), resynced);
  counts.note(slot(resyncing), resynced);
  counts.copied(slot(resyncing), 4);
  t.strictSame([counts.rebuildBytes, counts.resyncBytes], [3, 7]);
});
