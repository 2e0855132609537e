import t from "tap";
import { setTimeout as sleep } from "node:timers/promises";
import { Agreement } from "./agreement.js";
import { Dropping } from "./dropping.js";
import { HeldOperations } from "./held-operations.js";
import { AGREEMENT_RETRY_MS } from "./limits.js";
import { NOTHING_STORED } from "./record-keeper.js";
import type { ReplicaLink } from "./replica-link.js";
import type { ReplicaState } from "./replica-state.js";
import type { Revisions } from "./revisions.js";
import { newSlot } from "./slot.js";
import { rosterOf } from "./testing/roster.js";

const TO_COMPARE: ReplicaState = { mode: "WO", reconciledBytes: 0, totalBytes: 8192 };

/** A copy, and two that may differ from it. */
function volumeOf(copy: () => Promise<number>) {
  const control = { agreed: [] as string[] };
  const slotAt = (index: number, replicaId: string, state: ReplicaState) => {
    const link = {
      record: () => Promise.resolve(),
      agreed: () => Promise.resolve(void control.agreed.push(replicaId)),
    } as unknown as ReplicaLink;
    const known = { index, address: replicaId, replicaId, link, facts: null, readable: true };
    return newSlot({ ...known, state, stored: NOTHING_STORED });
  };
  const slots = [slotAt(0, "A", { mode: "RW" }), slotAt(1, "B", TO_COMPARE), slotAt(2, "C", { mode: "RW" })] as const; // prettier-ignore
  const volume = {
    copy,
    flush: () => Promise.resolve(),
    stats: () => ({ latency: { read: { counts: [] }, write: { counts: [] } } }),
  };
  const roster = rosterOf([...slots], ["A", "B", "C"], volume);
  const revisions = { level: (work: () => Promise<boolean>) => work() } as unknown as Revisions;
  const agreement = new Agreement(roster, new HeldOperations(roster, new Dropping(roster)), revisions);
  return { control, roster, agreement, slots };
}

t.test("what was not compared to its end is dropped, and does not agree", async (t) => {
  const { control, roster, agreement, slots } = volumeOf(() => {
    // The copy that it is compared with goes, and another one stays.
    const [from] = slots;
    roster.apply(from, { type: "failed", cause: "its machine is gone" });
    return Promise.reject(new Error("gone"));
  });
  t.teardown(() => roster.stop());
  const [from, behind, other] = slots;
  await agreement.run(from, [...slots], [{ offset: 0, length: 8192 }]);
  t.equal(behind.state.mode, "ERR");
  t.strictSame(control.agreed, [other.replicaId]);
});

t.test("nothing agrees before what could not be made equal is dropped", async (t) => {
  const { control, roster, agreement, slots } = volumeOf(() => Promise.resolve(0));
  t.teardown(() => roster.stop());
  const [from, behind] = slots;
  await roster.withdraw(behind);
  const done = agreement.run(from, [...slots], [{ offset: 0, length: 8192 }]);
  await sleep(100);
  t.equal(behind.state.mode, "WO");
  t.strictSame(control.agreed, []);
  roster.apply(behind, { type: "failed", cause: "dropped" });
  await sleep(AGREEMENT_RETRY_MS);
  await done;
  t.strictSame(control.agreed, ["A", "C"]);
});

t.test("one that is dropped while it is compared, and comes back by a resync, is let alone", async (t) => {
  const copied: (() => void)[] = [];
  const { control, roster, agreement, slots } = volumeOf(
    () => new Promise((resolve) => copied.push(() => resolve(0))),
  );
  t.teardown(() => roster.stop());
  const [from, behind] = slots;
  const done = agreement.run(from, [...slots], [{ offset: 0, length: 8192 }]);
  await sleep(100);
  roster.apply(behind, { type: "failed", cause: "its machine restarted" });
  roster.apply(behind, { type: "rejoined" });
  for (const end of copied) end();
  await done;
  t.strictSame(control.agreed, ["A", "C"], "it is no member yet");
  t.match(behind.state, { mode: "RESYNC", progress: { comparedBytes: 0 } });
});
