import t from "tap";
import type { MemberRecord } from "../proto/control.js";
import { NO_BALLOT } from "../proto/ballot.js";
import { witnessIdOf } from "../proto/witness-id.js";
import { following, joins } from "./decide-vote.js";

const WITNESS = witnessIdOf(["a", "b", "c"]);
const identity = { volume: "v", replicaId: WITNESS };

function recordOf(generation: number, engineId: string, ...members: string[]): MemberRecord {
  const witnesses = members.filter((id) => id === WITNESS);
  return {
    ...{ generation, engineId, members, witnesses, engineBootId: "b", engineState: new Uint8Array() },
    ...{ revisionAtLeast: 0, absent: [], reverting: "", leased: false, heldByAll: 0 },
  };
}

function changeTo(record: MemberRecord, basis: MemberRecord | null) {
  const { generation, engineId } = basis ?? { generation: 0, engineId: "" };
  return { volume: "v", replicaId: WITNESS, record, basis: { generation, engineId, opening: "" } };
}

t.test("a ballot is taken part in when none newer was promised", (t) => {
  const promised = { round: 2, proposer: "m" };
  for (const [round, proposer, expected] of [
    [1, "z", false],
    [2, "a", false],
    [2, "m", true],
    [2, "n", true],
    [3, "a", true],
  ] as const)
    t.equal(joins(promised, { round, proposer }), expected, `${round} ${proposer}`);
  t.ok(joins(NO_BALLOT, { round: 1, proposer: "a" }));
  t.end();
});

t.test("what follows is what a witness would keep", (t) => {
  const first = recordOf(3, "e1", "r1", "r2", WITNESS);
  const nothing = { record: null, heldGeneration: 0 };
  const basis = { record: first, heldGeneration: 3 };
  t.strictSame(following(identity, nothing, changeTo(first, null)), { accept: true, held: basis });
  t.strictSame(following(identity, basis, null), { accept: true, held: basis }, "without a change it stays");
  const without = recordOf(4, "e2", "r1", "r2");
  t.strictSame(
    following(identity, basis, changeTo(without, first)),
    { accept: true, held: { record: without, heldGeneration: 3 } },
    "given up, it still tells when it was one",
  );
  t.match(following(identity, basis, changeTo(recordOf(4, "e3", "r1", WITNESS), null)), {
    accept: false,
    code: "FAILED_PRECONDITION",
    message: /generation 3 of engine "e1" is recorded here/,
  });
  const endless = { ...first, witnesses: Array.from({ length: 10_000 }, () => WITNESS) };
  t.match(
    following(identity, nothing, changeTo(endless, null)),
    { accept: false, code: "INVALID_ARGUMENT" },
    "it could not be read again",
  );
  t.match(following({ ...identity, volume: "w" }, basis, changeTo(without, first)), { accept: false });
  const damaged = { record: { ...first, members: [] }, heldGeneration: 3 };
  t.match(following(identity, damaged, null), { accept: false, code: "INVALID_ARGUMENT" });
  t.end();
});
