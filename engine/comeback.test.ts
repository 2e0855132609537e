import t from "tap";
import type { Absence, MemberRecord, ReplicaFacts } from "../proto/control.js";
import { judgeComeback, type Comeback, type Expected } from "./comeback.js";

const AWAY: Absence = { replicaId: "B", heldAtLeast: 4, heldAtMost: 6, excludedAt: 7 };
const EXPECTED: Expected = {
  volume: "v",
  size: 4096,
  generation: 9,
  engineId: "e",
  replicaId: "B",
  others: ["A"],
  chain: ["volume-head-000.img"],
  chainCreated: [],
  backing: "a1",
  absence: AWAY,
};
const SNAPSHOTS = ["volume-snap-b.img", "volume-snap-a.img"];

function record(generation: number): MemberRecord {
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
  return { generation, members: ["A"], absent: [], ...engine };
}

function facts(heldGeneration: number, patch: Partial<ReplicaFacts> = {}): ReplicaFacts {
  return {
    ...{ volume: "v", replicaId: "B", size: 4096, record: record(heldGeneration), lostWrites: false },
    ...{
      inheritedRegions: 0,
      regionSize: 1,
      bootId: "b",
      directory: "/b",
      dataPort: 1,
      dataSocket: "",
      revision: 0,
    },
    ...{
      allocated: 4096,
      chain: ["volume-head-000.img"],
      chainCreated: [],
      opening: "",
      snapshots: [],
      heldGeneration,
      witness: false,
      backing: "a1",
    },
    ...{ unfit: "", rebuildInterrupted: false },
    ...patch,
  };
}

const BLANK: Partial<ReplicaFacts> = { record: null, allocated: 0 };
const CASES: [name: string, facts: ReplicaFacts, expected: Partial<Expected>, outcome: string][] = [
  ["as it was when it was left out", facts(4), {}, "what it missed"],
  ["the volume was reverted meanwhile", facts(4), { absence: { ...AWAY, excludedAt: 0 } }, "snapshots, then all: the volume was reverted"],
  ["it stored records whose answer was lost", facts(6), {}, "what it missed"],
  ["its machine restarted", facts(5, { lostWrites: true }), {}, "what it missed"],
  ["an interrupted resync", facts(5, { record: record(8) }), {}, "what it missed"],
  ["its directory went back in time", facts(3), {}, "all: its directory went back"],
  ["its directory is empty", facts(0, BLANK), {}, "all: it is empty"],
  ["a new replica", facts(0, { ...BLANK, replicaId: "C" }), { absence: null, replicaId: null }, "all: it is empty"],
  ["a rebuild that was interrupted", facts(0, { record: record(8) }), { absence: null }, "all: its rebuild was interrupted"],
  ["it went on by itself, unseen", facts(7), {}, "declined: it holds data"],
  ["another engine made it a member under our generation", facts(9), { engineId: "f" }, "declined: it has gone on by itself to generation 9"],
  ["it went on by itself, further than we", facts(12), {}, "declined: it has gone on by itself to generation 12"],
  ["a salvage's loser", facts(5), { absence: null }, "declined: it holds data"],
  ["data without a record", facts(0, { record: null }), { absence: null }, "declined: it holds data"],
  ["another volume's", facts(4, { volume: "w" }), {}, "declined: it holds volume w"],
  ["another backing image", facts(4, { backing: "b2" }), {}, "declined: what it lies on (backing image: b2)"],
  ["an image that is not told", facts(4, { backing: "" }), {}, "what it missed"],
  ["copies whose image is not told", facts(4), { backing: "" }, "what it missed"],
  ["another size", facts(4, { size: 512 }), {}, "declined: it has 512 bytes"],
  ["another replica in its place", facts(4, { replicaId: "C" }), {}, "declined: there is now replica C"],
  ["one that is there already", facts(4, { replicaId: "A" }), { replicaId: null }, "declined: it is replica A"],
  ["unfit", facts(4, { unfit: "damaged" }), {}, "declined: damaged"],
  ["other snapshots", facts(4, { chain: ["volume-head-001.img", "volume-snap-a.img"] }), {}, "snapshots, then what it missed"],
  ["the same snapshots, and a head of another number", facts(4, { chain: ["volume-head-002.img", ...SNAPSHOTS] }), { chain: ["volume-head-009.img", ...SNAPSHOTS] }, "what it missed"],
  ["a snapshot that was removed and taken again", facts(4, { chain: ["h", ...SNAPSHOTS], chainCreated: ["3", "2", "1"] }), { chain: ["h", ...SNAPSHOTS], chainCreated: ["9", "5", "1"] }, "snapshots, then what it missed"],
  ["snapshots of the same time, and heads of another", facts(4, { chain: ["h", ...SNAPSHOTS], chainCreated: ["3", "2", "1"] }), { chain: ["h", ...SNAPSHOTS], chainCreated: ["9", "2", "1"] }, "what it missed"],
  ["other snapshots in a directory that went back in time", facts(3, { chain: ["volume-head-001.img", "volume-snap-a.img"] }), {}, "snapshots, then all: its directory went back"],
  ["other snapshots, of another history", facts(7, { chain: ["volume-head-001.img", "volume-snap-a.img"] }), {}, "declined: it holds data"],
  ["a rebuild that was interrupted, with snapshots of which nobody knows whether they are whole", facts(0, { record: record(8), chain: ["volume-head-002.img", ...SNAPSHOTS] }), { absence: null, chain: ["volume-head-009.img", ...SNAPSHOTS] }, "snapshots, then all: its rebuild was interrupted"],
  ["a rebuild that was interrupted, as it says", facts(0, { record: record(8), unfit: "interrupted", rebuildInterrupted: true }), {}, "all: its rebuild was interrupted"],
  ["a copy whose snapshots are being copied again", facts(5, { record: record(8), unfit: "interrupted", rebuildInterrupted: true }), {}, "all: its rebuild was interrupted"],
  ["... and went on by itself before", facts(7, { record: record(8), unfit: "interrupted", rebuildInterrupted: true }), {}, "declined: it holds data"],
  ["a rebuild that was interrupted, of another volume", facts(0, { volume: "w", unfit: "interrupted", rebuildInterrupted: true }), {}, "declined: it holds volume w"],
  ["empty, with the snapshots' names", facts(0, { ...BLANK, chain: ["volume-head-002.img", ...SNAPSHOTS] }), { chain: ["volume-head-009.img", ...SNAPSHOTS] }, "snapshots, then all: it is empty"],
  ["empty, and there are snapshots", facts(0, BLANK), { chain: ["volume-head-009.img", ...SNAPSHOTS] }, "snapshots, then all: it is empty"],
]; // prettier-ignore

for (const [name, found, expected, outcome] of CASES) {
  t.test(`a replica that comes back: ${name}: ${outcome}`, async (t) => {
    const verdict = judgeComeback(found, { ...EXPECTED, ...expected });
    const text = textOf(verdict);
    t.ok(text.startsWith(outcome), text);
  });
}

function textOf(verdict: Comeback): string {
  if (verdict.type === "declined") return `declined: ${verdict.reason}`;
  const { absence, why, snapshots } = verdict;
  return `${snapshots === "same" ? "" : "snapshots, then "}${absence === null ? `all: ${why}` : "what it missed"}`;
}
