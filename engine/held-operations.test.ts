import t, { type Test } from "tap";
import { setTimeout as sleep } from "node:timers/promises";
import type { NativeError, SlotMode } from "../native/index.js";
import type { MemberRecord } from "../proto/control.js";
import { Dropping } from "./dropping.js";
import { HeldOperations } from "./held-operations.js";
import { AGREEMENT_RETRY_MS } from "./limits.js";
import { NOTHING_STORED } from "./record-keeper.js";
import type { ReplicaLink } from "./replica-link.js";
import { newSlot } from "./slot.js";
import { rosterOf } from "./testing/roster.js";

const RANGE = { offset: 4096, length: 8192 };

/** A copy that stores records, unless it is told not to. */
function copyAt(index: number, replicaId: string) {
  const control = { refuses: false, stored: [] as MemberRecord[] };
  const link = {
    record: (_volume: string, _id: string, record: MemberRecord) => {
      if (control.refuses) return Promise.reject(new Error("its disk is full"));
      control.stored.push(record);
      return Promise.resolve();
    },
    identifyFor: () => Promise.reject(new Error("away")),
  } as unknown as ReplicaLink;
  const known = { index, address: replicaId, replicaId, link, facts: null, readable: true };
  return { control, slot: newSlot({ ...known, state: { mode: "RW" }, stored: NOTHING_STORED }) };
}

/** Two copies of a volume. @param failing ends each copy of a range between them */
function copies(t: Test, failing: (from: number, to: number) => number | null) {
  const [a, b] = [copyAt(0, "A"), copyAt(1, "B")];
  const copied: [number, number][] = [];
  const modes = new Map<number, SlotMode>();
  const answered: number[] = [];
  const volume = {
    copy: (from: number, to: number) => {
      copied.push([from, to]);
      const slot = failing(from, to);
      if (slot === null) return Promise.resolve(0);
      return Promise.reject(Object.assign(new Error("no"), { code: "NO_SPACE", slot } as NativeError));
    },
    setMode: (slot: number, mode: SlotMode) => Promise.resolve(void modes.set(slot, mode)),
    failHeld: (slot: number) => Promise.resolve(answered.push(slot)),
  };
  const roster = rosterOf([a.slot, b.slot], ["A", "B"], volume);
  t.teardown(() => roster.stop());
  const dropping = new Dropping(roster);
  return { a, b, roster, copied, modes, answered, dropping, held: new HeldOperations(roster, dropping) };
}

t.test("who cannot be made equal to the other copy is none, before its drop is recorded too", async (t) => {
  const { a, b, roster, modes, dropping, held } = copies(t, (_from, to) => to);
  a.control.refuses = true;
  await held.answer([a.slot, b.slot], "NO_SPACE", [RANGE]);
  await sleep(20);
  t.equal(modes.get(1), "WO");
  t.equal(b.slot.state.mode, "WO");
  t.notOk(roster.otherCopy(a.slot), "the other one is needed");
  t.notOk(await dropping.drop([{ slot: a.slot, cause: "it was silent once" }]));
  t.strictSame(b.control.stored, [], "nor is that recorded anywhere");
  a.control.refuses = false;
  await sleep(AGREEMENT_RETRY_MS + 100);
  t.equal(b.slot.state.mode, "ERR");
  t.strictSame(a.control.stored.at(-1)?.members, ["A"]);
});

t.test("what is held at several copies is answered in one turn, so that none fails alone", async (t) => {
  const { a, b, answered, held } = copies(t, () => null);
  const done = held.answer([a.slot, b.slot], "NO_SPACE", [RANGE]);
  t.strictSame(answered, [0, 1]);
  await done;
});

t.test("what one had no space for ends with all that is held there, and is made equal as well", async (t) => {
  const { a, b, copied, held } = copies(t, () => null);
  b.slot.noSpace.push(RANGE);
  await held.answer([b.slot], "INVALID", []);
  t.strictSame(copied, [[1, 0]]);
  t.strictSame([a.slot.noSpace, b.slot.noSpace], [[], []]);
});

t.test("copies are made equal to the one that records name which may count", async (t) => {
  const { a, b, copied, dropping, held } = copies(t, () => null);
  b.control.refuses = true;
  t.notOk(await dropping.drop([{ slot: a.slot, cause: "silent" }]), "B was asked to go on alone");
  await held.answer([a.slot, b.slot], "NO_SPACE", [RANGE]);
  t.strictSame(copied, [[1, 0]]);
});

t.test("a drop that was tried decides which of two goes that cannot be made equal", async (t) => {
  const { a, b, roster, dropping, held } = copies(t, (_from, to) => to);
  await held.answer([a.slot, b.slot], "NO_SPACE", [RANGE]);
  b.control.refuses = true;
  await roster.decisions.run(() => dropping.drop([{ slot: a.slot, cause: "silent" }]));
  await sleep(20);
  t.equal(a.slot.state.mode, "WO");
  t.equal(b.slot.state.mode, "RW");
});

t.test(
  "where the copy that counts goes, all that are written are made equal to the one that stays",
  async (t) => {
    const { a, roster, copied, held } = copies(t, (from, to) => (from === 0 && to === 1 ? 0 : null));
    const { slot: written } = copyAt(2, "C");
    written.state = {
      mode: "RESYNC",
      progress: { method: "", comparedBytes: 0, totalBytes: 0, movedBytes: 0 },
    };
    roster.slots.push(written);
    await held.answer([a.slot], "NO_SPACE", [RANGE]);
    await sleep(20);
    t.strictSame(copied, [
      [0, 1],
      [0, 2],
      [1, 2],
    ]);
  },
);

t.test("where the copy that counts fails meanwhile, the other one does", async (t) => {
  const { a, b, modes, held } = copies(t, (from) => from);
  await held.answer([a.slot, b.slot], "NO_SPACE", [RANGE]);
  await sleep(20);
  t.equal(modes.get(0), "OFF");
  t.equal(a.slot.state.mode, "ERR");
  t.equal(b.slot.state.mode, "RW");
});
