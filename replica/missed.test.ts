import t from "tap";
import pino from "pino";
import type { MissedGrains } from "../native/index.js";
import type { Absence, MemberRecord } from "../proto/control.js";
import { afterRecord, beforeRecord, missedPart, resumeTracking } from "./missed.js";

const AWAY: Absence = { replicaId: "B", heldAtLeast: 4, heldAtMost: 4, excludedAt: 5 };
const QUIET = pino({ level: "silent" });

function record(generation: number, members: string[], absent: Absence[]): MemberRecord {
  const engine = {
    engineId: "e",
    engineBootId: "b",
    engineState: new Uint8Array(),
    revisionAtLeast: 0,
    witnesses: [],
    reverting: "",
    leased: false,
    heldByAll: 0,
  };
  return { generation, members, absent, ...engine };
}

/** Remembers since when it tracks, like a store. */
function tracker(since: number | null) {
  return {
    since,
    missed(): Promise<MissedGrains | null> {
      const bitmap = Buffer.from([1, 2, 3]);
      return Promise.resolve(this.since === null ? null : { since: this.since, grain: 65536, bitmap });
    },
    trackMissed(generation: number): Promise<void> {
      this.since = generation;
      return Promise.resolve();
    },
    forgetMissed(): Promise<void> {
      this.since = null;
      return Promise.resolve();
    },
  };
}

const CASES: [name: string, since: number | null, stored: MemberRecord, before: number | null, after: number | null, members?: string[]][] = [
  ["nobody is away", null, record(5, ["A"], []), null, null],
  ["the first one goes away", null, record(5, ["A"], [AWAY]), 5, 5],
  ["another one goes away", 5, record(6, ["A"], [AWAY]), 5, 5],
  ["the last one is back", 5, record(7, ["A", "B"], []), 5, null],
  ["this one itself is left out", 5, record(7, ["C"], [AWAY]), 7, 7],
  ["this one is back, and another one is not", 5, record(7, ["A", "C"], [AWAY]), 7, 7, ["C"]],
]; // prettier-ignore

for (const [name, since, stored, before, after, members = ["A"]] of CASES) {
  t.test(`what is missed is tracked while somebody is away: ${name}`, async (t) => {
    const store = tracker(since);
    await beforeRecord(store, "A", stored, record(4, members, []));
    t.equal(store.since, before, "before the record is durable");
    await afterRecord(store, stored);
    t.equal(store.since, after, "once it is");
  });
}

t.test("an opening finds the map that its record asks for, or one that begins now", async (t) => {
  const opened = async (since: number | null, absent: Absence[]) => {
    const store = tracker(since);
    const own = { volume: "v", replicaId: "A", heldGeneration: 5, bootId: "b", lostWrites: false };
    await resumeTracking(store, { ...own, member: record(5, ["A"], absent) }, QUIET);
    return store.since;
  };
  t.equal(await opened(3, [AWAY]), 3, "sound");
  t.equal(await opened(null, [AWAY]), 6, "damaged: it reaches no replica that is away already");
  t.equal(await opened(3, []), null, "left over by a crash");
});

t.test("the bitmap is told in parts; without one nothing is known", async (t) => {
  t.match(await missedPart(tracker(3), 1), { since: 3, bitmapSize: 3, bitmap: Buffer.from([2, 3]) });
  t.match(await missedPart(tracker(null), 0), { since: 0, bitmapSize: 0 });
});
