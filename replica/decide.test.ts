import t from "tap";
import type { MemberRecord } from "../proto/control.js";
import {
  decideAgreed,
  decideClose,
  decideEngine,
  decideHello,
  decideRecord,
  decideChange,
  mayHaveLostWrites,
  type Standing,
} from "./decide.js";

const member: MemberRecord = {
  generation: 5,
  members: ["r1", "r2"],
  engineId: "e1",
  engineBootId: "b",
  engineState: new Uint8Array(),
  revisionAtLeast: 0,
  witnesses: [],
  reverting: "",
  leased: false,
  heldByAll: 0,
  absent: [],
};
const standing: Standing = {
  volume: "v",
  replicaId: "r1",
  member,
  unfit: "",
  lostWrites: false,
  opening: "o2",
};
const fresh: Standing = { ...standing, member: null };
const unfit: Standing = { ...fresh, unfit: "its rebuild was interrupted" };
const hello = { volume: "v", replicaId: "r1", engineId: "e1", generation: 5 };

t.test("HELLO is accepted from the recorded engine under the recorded generation only", (t) => {
  const cases: [string, Standing, number, object, string][] = [
    ["the recorded engine", standing, 1, {}, "OK"],
    ["a newer protocol", standing, 2, {}, "INVALID"],
    ["another volume", standing, 1, { volume: "w" }, "NOT_OPEN"],
    ["another replica", standing, 1, { replicaId: "r2" }, "NOT_OPEN"],
    ["an older generation", standing, 1, { generation: 4 }, "FENCED"],
    ["a generation that was not recorded", standing, 1, { generation: 6 }, "FENCED"],
    ["another engine of the generation", standing, 1, { engineId: "e2" }, "FENCED"],
    ["another engine of a newer generation", standing, 1, { engineId: "e2", generation: 6 }, "FENCED"],
    ["any engine before the first record", fresh, 1, {}, "FENCED"],
    ["generation 0 before the first record", fresh, 1, { generation: 0, engineId: "" }, "FENCED"],
  ];
  for (const [what, now, version, difference, expected] of cases) {
    const decided = decideHello(now, version, { ...hello, ...difference });
    t.equal(decided.accept ? "OK" : decided.status, expected, what);
  }
  t.end();
});

t.test(
  "a record is taken with a higher generation, or again from the same engine with the same members",
  (t) => {
    const cases: [string, Standing, Partial<MemberRecord>, string][] = [
      ["the first", fresh, { generation: 1 }, "OK"],
      ["the next generation of the same engine", standing, { generation: 6 }, "OK"],
      ["the next generation of another engine", standing, { generation: 6, engineId: "e2" }, "OK"],
      ["generations may be skipped", standing, { generation: 60, engineId: "e2" }, "OK"],
      ["the next generation without a member", standing, { generation: 6, members: ["r1"] }, "OK"],
      ["the same again", standing, {}, "OK"],
      ["the same members in another order", standing, { members: ["r2", "r1"] }, "OK"],
      ["new engine state under the same generation", standing, { engineState: Buffer.from("x") }, "OK"],
      ["an older generation", standing, { generation: 4 }, "FAILED_PRECONDITION"],
      ["another engine under the same generation", standing, { engineId: "e2" }, "FAILED_PRECONDITION"],
      ["other members under the same generation", standing, { members: ["r1"] }, "INVALID_ARGUMENT"],
      [
        "more members under the same generation",
        standing,
        { members: ["r1", "r2", "r3"] },
        "INVALID_ARGUMENT",
      ],
      ["generation 0", fresh, { generation: 0 }, "INVALID_ARGUMENT"],
      ["no members", fresh, { members: [] }, "INVALID_ARGUMENT"],
      [
        "too many members",
        fresh,
        { members: Array.from({ length: 17 }, (_, i) => `r${i}`) },
        "INVALID_ARGUMENT",
      ],
      ["no engine", fresh, { engineId: "" }, "INVALID_ARGUMENT"],
      ["the longest state", fresh, { engineState: new Uint8Array(65536) }, "OK"],
      ["too long a state", fresh, { engineState: new Uint8Array(65537) }, "INVALID_ARGUMENT"],
      ["a member that is not whole", unfit, {}, "ABORTED"],
      ["a copy that is not whole and no member", unfit, { members: ["r2"] }, "OK"],
    ];
    for (const [what, now, difference, expected] of cases) {
      const decided = decideRecord(now, {
        volume: "v",
        replicaId: "r1",
        record: { ...member, ...difference },
        basis: null,
      });
      t.equal(decided.accept ? "OK" : decided.code, expected, what);
    }
    for (const named of [
      { volume: "w", replicaId: "r1" },
      { volume: "v", replicaId: "r2" },
    ]) {
      const decided = decideRecord(standing, { ...named, record: { ...member, generation: 6 }, basis: null });
      t.equal(decided.accept ? "OK" : decided.code, "ABORTED");
    }
    t.notOk(decideRecord(standing, { volume: "v", replicaId: "r1", record: null, basis: null }).accept);
    const unnamed: Standing = { ...fresh, volume: "" };
    for (const [volume, expected] of [
      ["any", "OK"],
      ["", "INVALID_ARGUMENT"],
      ["x".repeat(65), "INVALID_ARGUMENT"],
    ] as const) {
      // prettier-ignore
      const decided = decideRecord(unnamed, { volume, replicaId: "r1", record: member, basis: null });
      t.equal(
        decided.accept ? "OK" : decided.code,
        expected,
        `the first record names the volume "${volume}"`,
      );
    }
    t.end();
  },
);

t.test("a record that follows from a state which another engine has replaced is refused", (t) => {
  const cases: [string, Standing, { generation: number; engineId: string }, string, string][] = [
    ["from what is stored", standing, { generation: 5, engineId: "e1" }, "e2", "OK"],
    ["from an older generation", standing, { generation: 4, engineId: "e1" }, "e2", "FAILED_PRECONDITION"],
    ["from another engine's", standing, { generation: 5, engineId: "e3" }, "e2", "FAILED_PRECONDITION"],
    [
      "from nothing, though something is stored",
      standing,
      { generation: 0, engineId: "" },
      "e2",
      "FAILED_PRECONDITION",
    ],
    ["from nothing", fresh, { generation: 0, engineId: "" }, "e2", "OK"],
    [
      "from something, though nothing is stored",
      fresh,
      { generation: 5, engineId: "e1" },
      "e2",
      "FAILED_PRECONDITION",
    ],
    [
      "the same engine's, whose last answer was lost",
      standing,
      { generation: 4, engineId: "e0" },
      "e1",
      "OK",
    ],
  ];
  for (const [what, now, basis, engineId, expected] of cases) {
    const record = { ...member, generation: 6, engineId };
    const decided = decideRecord(now, {
      volume: "v",
      replicaId: "r1",
      record,
      basis: { ...basis, opening: "" },
    });
    t.equal(decided.accept ? "OK" : decided.code, expected, what);
  }
  t.end();
});

t.test("a copy that may have lost writes becomes no member for who does not know it", (t) => {
  const lost: Standing = { ...standing, lostWrites: true };
  const cases: [string, Standing, string, string[], string][] = [
    ["lost before it was looked at", lost, "o2", ["r1"], "OK"],
    ["lost since", lost, "o1", ["r1"], "ABORTED"],
    ["lost since, and it is left out", lost, "o1", ["r2"], "OK"],
    ["opened again, and nothing lost", standing, "o1", ["r1"], "OK"],
    ["nobody knows which opening was looked at", lost, "", ["r1"], "OK"],
  ];
  for (const [what, now, opening, members, expected] of cases) {
    for (const engineId of ["e1", "e2"]) {
      const record = { ...member, generation: 6, engineId, members };
      const basis = { generation: 5, engineId: "e1", opening };
      const decided = decideRecord(now, { volume: "v", replicaId: "r1", record, basis });
      t.equal(decided.accept ? "OK" : decided.code, expected, `${what}, ${engineId}`);
    }
  }
  t.end();
});

t.test("what was lost since the engine looked is not released", (t) => {
  const lost: Standing = { ...standing, lostWrites: true };
  const who = { engineId: "e1", generation: 5 };
  t.ok(decideChange(standing, { ...who, opening: "o1" }).accept);
  t.ok(decideChange(lost, { ...who, opening: "o2" }).accept);
  t.notOk(decideChange(lost, { ...who, opening: "o1" }).accept);
  t.notOk(decideChange(standing, { ...who, generation: 4, opening: "o2" }).accept);
  t.end();
});

t.test("copies are not declared equal at an opening that the engine has not noticed", (t) => {
  const who = { engineId: "e1", generation: 5 };
  for (const lostWrites of [false, true]) {
    t.ok(decideAgreed({ ...standing, lostWrites }, { ...who, opening: "o2" }).accept);
    t.match(decideAgreed({ ...standing, lostWrites }, { ...who, opening: "o1" }), { code: "ABORTED" });
  }
  t.notOk(decideAgreed(standing, { ...who, generation: 4, opening: "o2" }).accept);
  t.end();
});

t.test("nobody closes what has been made a copy again since he asked", (t) => {
  t.ok(decideClose(standing, { engineId: "e1", generation: 5 }).accept);
  t.ok(decideClose(standing, { engineId: "e1", generation: 6 }).accept);
  t.notOk(decideClose(standing, { engineId: "e1", generation: 4 }).accept);
  t.notOk(decideClose(standing, { engineId: "e2", generation: 5 }).accept);
  t.end();
});

t.test("only the recorded engine may declare agreement or release", (t) => {
  t.ok(decideEngine(standing, { engineId: "e1", generation: 5 }).accept);
  t.notOk(decideEngine(standing, { engineId: "e1", generation: 4 }).accept);
  t.notOk(decideEngine(standing, { engineId: "e1", generation: 6 }).accept);
  t.notOk(decideEngine(standing, { engineId: "e2", generation: 5 }).accept);
  t.notOk(decideEngine(fresh, { engineId: "", generation: 0 }).accept);
  t.end();
});

t.test("writes may be lost when the machine restarted over regions that were not durable", (t) => {
  t.equal(mayHaveLostWrites("a", "b", 1), true);
  t.equal(mayHaveLostWrites("a", "b", 0), false);
  t.equal(mayHaveLostWrites("a", "a", 9), false);
  t.equal(mayHaveLostWrites("", "b", 9), false);
  t.equal(mayHaveLostWrites("a/7", "a/8", 1), true, "the disk was gone for a while");
  t.equal(mayHaveLostWrites("a/7", "a/7", 9), false);
  t.equal(mayHaveLostWrites("a/7", "b/7", 1), true);
  for (const [then, now] of [
    ["a", "a/7"],
    ["a/7", "a"],
  ] as const)
    t.equal(mayHaveLostWrites(then, now, 9), false, "which disk it was, or is, is not known");
  t.end();
});

t.test("one that went back to before what its engine knows to be stored is no member", (t) => {
  const cases: [string, number, string[], string][] = [
    ["it has what is known", 5, member.members, "OK"],
    ["it stored more, and its answer was lost", 4, member.members, "OK"],
    ["it has less", 6, member.members, "ABORTED"],
    ["... and has no say in what is decided without it, either", 6, ["r2"], "ABORTED"],
  ];
  for (const [what, generation, members, expected] of cases) {
    const basis = { generation, engineId: member.engineId, opening: "" };
    const decided = decideRecord(standing, {
      ...{ volume: "v", replicaId: "r1", basis },
      record: { ...member, members, generation: 7 },
    });
    t.equal(decided.accept ? "OK" : decided.code, expected, what);
  }
  t.end();
});
