import t from "tap";
import type { MemberRecord } from "../proto/control.js";
import { Dropping } from "./dropping.js";
import { LonghornLink } from "./longhorn/longhorn-link.js";
import { NOTHING_STORED } from "./record-keeper.js";
import type { ReplicaLink } from "./replica-link.js";
import type { ReplicaState } from "./replica-state.js";
import { newSlot } from "./slot.js";
import { rosterOf } from "./testing/roster.js";

const RESYNC: ReplicaState = {
  mode: "RESYNC",
  progress: { method: "", comparedBytes: 0, totalBytes: 0, movedBytes: 0 },
};

/** A replica that stores records, unless it is told not to. */
function replica(index: number, replicaId: string, state: ReplicaState) {
  const stored: MemberRecord[] = [];
  const control = { refuses: false, stored };
  const link = {
    record: (_volume: string, _id: string, record: MemberRecord) => {
      if (control.refuses) return Promise.reject(new Error("its disk is full"));
      stored.push(record);
      return Promise.resolve();
    },
    identifyFor: () =>
      Promise.resolve({ unfit: "", lostWrites: false, opening: "", record: stored.at(-1) ?? null }),
  } as unknown as ReplicaLink;
  const known = { index, address: replicaId, replicaId, link, facts: null, state, readable: true };
  return { ...control, control, slot: newSlot({ ...known, stored: NOTHING_STORED }) };
}

t.test("what a joining replica missed is kept until all have stored that it is a member", async (t) => {
  const copy = replica(0, "copy", { mode: "RW" });
  const first = replica(1, "first", RESYNC);
  const second = replica(2, "second", RESYNC);
  const dropping = new Dropping(rosterOf([copy.slot, first.slot, second.slot], ["copy"]));
  copy.control.refuses = true;
  t.equal(await dropping.join(first.slot, null), false, "the copy did not store it");
  // Tried again, with another one that joins first.
  t.equal(await dropping.join(second.slot, null), false);
  const last = first.stored.at(-1);
  t.strictSame(last?.members, ["copy", "first", "second"]);
  t.strictSame(last?.absent.map(({ replicaId }) => replicaId).sort(), ["first", "second"]);
  copy.control.refuses = false;
  t.equal(await dropping.join(second.slot, null), true);
  t.strictSame(
    copy.stored.at(-1)?.absent.map(({ replicaId }) => replicaId),
    ["first"],
    "that one still joins",
  );
  t.equal(await dropping.join(first.slot, null), true);
  t.strictSame(copy.stored.at(-1)?.absent, []);
});

t.test("the witness is taken in right after the second copy, not with it", async (t) => {
  const copy = replica(0, "copy", { mode: "RW" });
  const returned = replica(1, "returned", RESYNC);
  const witness = replica(2, "witness", RESYNC);
  const dropping = new Dropping(rosterOf([copy.slot, returned.slot], ["copy"]));
  const { link, replicaId, stored } = witness.slot;
  t.equal(await dropping.join(returned.slot, { link, replicaId, stored, readable: false }), true);
  t.strictSame(
    copy.stored.map(({ members }) => members),
    [
      ["copy", "returned"],
      ["copy", "returned", "witness"],
    ],
  );
  t.equal(witness.stored.length, 1);
});

t.test(
  "a witness that has a later record is taken in once all copies have stored one later than that",
  async (t) => {
    const first = replica(0, "first", { mode: "RW" });
    const second = replica(1, "second", { mode: "RW" });
    const witness = replica(2, "witness", RESYNC);
    const roster = rosterOf([first.slot, second.slot], ["first", "second"]);
    const { link, replicaId } = witness.slot;
    const stored = { generation: 33, engineId: "cut off", opening: "" };
    await new Dropping(roster).changeWitness({ link, replicaId, stored, readable: false });
    t.strictSame(
      first.stored.map(({ generation, witnesses }) => ({ generation, witnesses })),
      [
        { generation: 34, witnesses: [] },
        { generation: 35, witnesses: ["witness"] },
      ],
    );
    t.equal(witness.stored.length, 1);
  },
);

t.test("the only copy, one of Longhorn's, is not marked as none when it cannot be dropped", async (t) => {
  const marks: boolean[] = [];
  class OnlyCopy extends LonghornLink {
    override setRebuilding(rebuilding: boolean): Promise<void> {
      marks.push(rebuilding);
      return Promise.resolve();
    }
  }
  const link = new OnlyCopy("127.0.0.1:1", "v", true);
  const state: ReplicaState = { mode: "RW" };
  const known = {
    index: 0,
    address: link.address,
    replicaId: link.id,
    link,
    facts: null,
    state,
    readable: true,
  };
  const slot = newSlot({ ...known, stored: NOTHING_STORED });
  const behind = replica(1, "behind", { mode: "WO", reconciledBytes: 0, totalBytes: 0 }).slot;
  for (const others of [[], [behind]]) {
    const roster = rosterOf([slot, ...others], [link.id]);
    t.equal(await new Dropping(roster).drop([{ slot, cause: "asked for" }]), false);
    roster.stop();
  }
  t.strictSame(marks, []);
  t.equal(slot.state.mode, "RW");
});
