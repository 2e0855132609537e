import t from "tap";
import type { MemberRecord, ReplicaFacts } from "../proto/control.js";
import { judgeReturn } from "./return-verdict.js";

const KNOWN = { volume: "v", replicaId: "A", engineId: "me", generation: 5 };

function facts(generation: number, engineId: string, patch: Partial<ReplicaFacts> = {}): ReplicaFacts {
  const record: MemberRecord | null =
    generation === 0
      ? null
      : {
          generation,
          engineId,
          members: ["A"],
          engineBootId: "b",
          engineState: new Uint8Array(),
          revisionAtLeast: 0,
          witnesses: [],
          reverting: "",
          leased: false,
          heldByAll: 0,
          absent: [],
        };
  return {
    ...{
      volume: "v",
      replicaId: "A",
      size: 4096,
      record,
      lostWrites: false,
      inheritedRegions: 0,
      regionSize: 1 << 20,
    },
    ...{
      bootId: "b",
      directory: "/d",
      dataPort: 1,
      dataSocket: "",
      revision: 0,
      allocated: 0,
      chain: [],
      opening: "",
      chainCreated: [],
      snapshots: [],
      unfit: "",
      rebuildInterrupted: false,
      heldGeneration: generation,
      witness: false,
      backing: "",
    },
    ...patch,
  };
}

const CASES: [name: string, facts: ReplicaFacts, expected: string][] = [
  ["as it was", facts(5, "me"), "same"],
  ["it missed a record whose answer was not awaited", facts(4, "me"), "same"],
  ["it went back to a record of this engine from before what it had stored", facts(3, "me"), "lost"],
  ["a newer engine", facts(6, "other"), "fenced"],
  ["a rival of the same generation", facts(5, "other"), "fenced"],
  ["the directory of an older engine", facts(4, "other"), "lost"],
  ["an empty directory", facts(0, ""), "lost"],
  ["another replica at this address", facts(5, "me", { replicaId: "B" }), "lost"],
  ["another volume at this address", facts(5, "me", { volume: "w" }), "lost"],
  ["its machine restarted", facts(5, "me", { lostWrites: true }), "lost"],
];

for (const [name, given, expected] of CASES) {
  t.test(`${name}: ${expected}`, (t) => {
    t.equal(judgeReturn(given, KNOWN, 4).type, expected);
    t.end();
  });
}
