import t from "tap";
import type { MemberRecord } from "../proto/control.js";
import { checkAfter, OtherEngineError } from "./takeover.js";

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
