import t from "tap";
import type { Logger } from "pino";
import type { MemberRecord, ReplicaFacts } from "../proto/control.js";
import type { ReplicaLink } from "./replica-link.js";
import { checkAfter, OtherEngineError, takeOver } from "./takeover.js";

function recordOf(engineId: string, generation: number): MemberRecord {
  return {
    ...{ generation, members: ["r1"], engineId, engineBootId: "", engineState: new Uint8Array() },
    ...{ revisionAtLeast: 0, absent: [], witnesses: [], reverting: "", leased: false, heldByAll: 0 },
  };
}

t.test("an engine comes after those that it knows of, as far as it knows what they decided", (t) => {
  const after = { ids: ["giver"], generationMax: 7 };
  for (const [engineId, generation, isTaken] of [
    ["giver", 6, true],
    ["giver", 7, true],
    ["giver", 8, false],
    ["other", 7, false],
    ["self", 8, true],
  ] as const) {
    const check = () => checkAfter(recordOf(engineId, generation), after, "self");
    const name = `${engineId} ${generation}`;
    if (isTaken) t.doesNotThrow(check, name);
    else t.throws(check, OtherEngineError, name);
  }
  t.throws(() => checkAfter(null, after, "self"), OtherEngineError, "nobody is recorded");
  t.end();
});

/** @param said generations that it tells of, one each time that it is asked; of the last one from then on */
function linkTo(id: string, ...said: number[]): ReplicaLink {
  const facts = (generation: number) => ({
    ...{ volume: "v", replicaId: id, size: 4096, witness: false, unfit: "", lostWrites: false, opening: "" },
    ...{ allocated: 1, revision: 0, heldGeneration: generation },
    record: { ...recordOf("before", generation), members: ["A", "B"], heldByAll: generation - 1 },
  });
  return {
    address: id,
    identifyFor: () =>
      Promise.resolve(facts((said.length > 1 ? said.shift() : said[0]) ?? 0) as unknown as ReplicaFacts),
    record: () => Promise.resolve(),
  } as unknown as ReplicaLink;
}

t.test("one that is asked before another engine's record reaches it has not gone back", async (t) => {
  const waits: string[] = [];
  const { members } = await takeOver({
    ...{ wanted: { volume: "v", size: 4096, salvage: null, acceptLostWrites: false } },
    ...{ links: [linkTo("A", 4), linkTo("B", 2, 4)], unfit: new Map(), longhorn: [], witness: null },
    ...{ engineId: "e", engineBootId: "", waitMs: 10_000, after: null, signal: new AbortController().signal },
    onWait: (evidence) => waits.push(evidence),
    log: { info: () => undefined } as unknown as Logger,
  });
  t.match(waits, [/went back to generation 2/]);
  t.equal(members.length, 2);
});
