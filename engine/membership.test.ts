import t from "tap";
import type { MemberRecord, ReplicaFacts } from "../proto/control.js";
import { SALVAGE_GENERATION_LEAP } from "./limits.js";
import { chooseMembers, chooseSource, type Answer, type Choice, type Member } from "./membership.js";

const SIZE = 1 << 30;
const WANTED = { volume: "vol", size: SIZE, salvage: null, acceptLostWrites: false };

function record(
  generation: number,
  members: string,
  { engineId = "e", heldByAll = 0, absent = [] }: Partial<MemberRecord> = {},
): MemberRecord {
  return {
    generation,
    members: Array.from(members),
    engineId,
    engineBootId: "boot",
    engineState: new Uint8Array(),
    revisionAtLeast: 0,
    witnesses: [],
    reverting: "",
    leased: false,
    heldByAll,
    absent,
  };
}

function up(id: string, stored: MemberRecord | null, facts: Partial<ReplicaFacts> = {}): Answer {
  return {
    address: `host-${id}:1`,
    facts: {
      volume: "vol",
      replicaId: id,
      size: SIZE,
      record: stored,
      lostWrites: false,
      inheritedRegions: 0,
      regionSize: 1 << 20,
      bootId: "boot",
      directory: `/data/${id}`,
      dataPort: 2,
      dataSocket: "",
      revision: 0,
      allocated: stored === null ? 0 : 4096,
      chain: ["volume-head-000.img"],
      opening: "",
      chainCreated: [],
      snapshots: [],
      unfit: "",
      rebuildInterrupted: false,
      heldGeneration: stored?.generation ?? 0,
      witness: false,
      backing: "",
      ...facts,
    },
  };
}

function down(id: string): Answer {
  return { address: `host-${id}:1`, unreachable: "connection refused" };
}

/** `start AB` for a start from those members, `wait`, or the code of a refusal. */
function short(choice: Choice): string {
  if (choice.type === "wait") return "wait";
  if (choice.type === "refuse") return choice.code;
  return `${choice.origin} ${choice.members.map(({ facts }) => facts.replicaId).join("")}`;
}

const CASES: [name: string, answers: Answer[], salvage: string | null, expected: string][] = [
  ["nobody ever had an engine and all are empty", [up("A", null), up("B", null)], null, "new AB"],
  ["one of a new volume's replicas is silent: it may know more", [up("A", null), down("B")], null, "wait"],
  ["nobody answers", [down("A"), down("B")], null, "wait"],
  ["a single directory with data and no record", [up("A", null, { allocated: 4096 })], null, "new A"],
  ["several with data and no record", [up("A", null, { allocated: 4096 }), up("B", null)], null, "NO_RECORD"],
  ["... one of them chosen by hand", [up("A", null, { allocated: 4096 }), up("B", null)], "A", "salvaged A"],
  ["all members of the newest generation answer", [up("A", record(4, "AB")), up("B", record(4, "AB"))], null, "proved AB"],
  ["a member's own record is older", [up("A", record(4, "AB")), up("B", record(3, "AB"))], null, "proved AB"],
  ["one that was left out by the newest generation", [up("A", record(5, "A")), up("B", record(4, "AB"))], null, "proved A"],
  ["only the survivor answers", [up("A", record(5, "A")), down("B")], null, "proved A"],
  ["only the stale one answers", [down("A"), up("B", record(4, "AB"))], null, "wait"],
  ["a member is not configured at all", [up("A", record(4, "AC")), up("B", record(3, "AB"))], null, "NOT_CONFIGURED"],
  ["a member went back to an older record", [up("A", record(4, "AB", { heldByAll: 3 })), up("B", record(2, "AB"))], null, "WENT_BACK"],
  ["... chosen by hand all the same", [up("A", record(4, "AB", { heldByAll: 3 })), up("B", record(2, "AB"))], "B", "salvaged B"],
  ["... and a third one is silent", [up("A", record(4, "ABC", { heldByAll: 3 })), up("B", record(2, "ABC")), down("C")], null, "wait"],
  ["... to one that says that it was gone on with alone", [up("A", record(4, "AB", { heldByAll: 3 })), up("B", record(2, "B"))], null, "WENT_BACK"],
  ["it has stored what all had, and not the newest", [up("A", record(4, "AB", { heldByAll: 3 })), up("B", record(3, "AB"))], null, "proved AB"],
  ["one that was just joining has stored nothing yet", [up("A", record(4, "AB", { heldByAll: 3, absent: [{ replicaId: "B", heldAtLeast: 1, heldAtMost: 1, excludedAt: 2 }] })), up("B", record(1, "AB"))], null, "proved AB"],
  ["one that was left out has gone back, and is not needed", [up("A", record(5, "A", { heldByAll: 4 })), up("B", record(2, "AB"))], null, "proved A"],
  ["an empty directory in the place of one that had stored more", [up("A", record(4, "AB", { heldByAll: 3 })), up("B", null)], null, "WENT_BACK"],
  ["an empty directory takes a member's place", [up("A", record(4, "AB")), up("B", null)], null, "NO_RECORD"],
  ["the very first record reached one only", [up("A", record(1, "AB"), { allocated: 0 }), up("B", null)], null, "proved AB"],
  ["a tie: all members of one hold it", [up("A", record(5, "A", { engineId: "x" })), up("B", record(5, "AB", { engineId: "y" }))], null, "proved A"],
  ["a tie that nobody won", [up("A", record(5, "AB", { engineId: "x" })), up("B", record(5, "AB", { engineId: "y" }))], null, "proved AB"],
  ["a tie that both won", [up("A", record(5, "A", { engineId: "x" })), up("B", record(5, "B", { engineId: "y" }))], null, "SPLIT"],
  ["the newest record is held by one alone that the others had left out: their members count", [up("A", record(4, "AB", { engineId: "x" })), up("B", record(3, "BC", { engineId: "y" })), down("C")], null, "wait"],
  ["... all of them answer", [up("A", record(4, "AB", { engineId: "x" })), up("B", record(3, "BC", { engineId: "y" })), up("C", record(3, "BC", { engineId: "y" }))], null, "proved BC"],
  ["the newest record reached only one that is no member", [up("A", record(4, "A")), up("T", record(5, "A"), { heldGeneration: 0 })], null, "proved A"],
  ["a rebuild that was interrupted, chosen by hand", [up("A", record(4, "A")), up("T", record(4, "A"), { heldGeneration: 0 })], "T", "UNFIT"],
  ["an unfit member", [up("A", record(4, "AB")), up("B", record(4, "AB"), { unfit: "rebuilding" })], null, "proved A"],
  ["one of another size that is unfit for that", [up("A", record(4, "AB")), up("B", record(4, "AB"), { size: 512, unfit: "size 512" })], null, "proved A"],
  ["... and has what the other one may have lost", [up("A", record(4, "AB"), { lostWrites: true }), up("B", record(4, "AB"), { size: 512, unfit: "size 512" })], null, "LOST_WRITES"],
  ["... and has lost as much", [up("A", record(4, "AB"), { lostWrites: true }), up("B", record(4, "AB"), { size: 512, unfit: "size 512", lostWrites: true })], null, "proved A"],
  ["all have lost writes", [up("A", record(4, "AB"), { lostWrites: true }), up("B", record(4, "AB"), { lostWrites: true })], null, "proved AB"],
  ["one that lost writes, and never heard that it went on without the other", [up("A", record(5, "B")), up("B", record(4, "AB"), { lostWrites: true })], null, "LOST_WRITES"],
  ["... and one that did", [up("A", record(4, "AB")), up("B", record(5, "B"), { lostWrites: true })], null, "proved B"],
  ["an unfit member that holds data, beside an emptied one", [up("A", null), up("B", record(4, "AB"), { unfit: "damaged" })], null, "NO_RECORD"],
  ["only unfit members", [up("A", record(4, "A"), { unfit: "rebuilding" })], null, "UNFIT"],
  ["copies on different images", [up("A", record(4, "AB"), { backing: "a1" }), up("B", record(4, "AB"), { backing: "b2" })], null, "UNLIKE_BACKING"],
  ["... of which one is stale", [up("A", record(5, "A"), { backing: "a1" }), up("B", record(4, "AB"), { backing: "b2" })], null, "proved A"],
  ["... of which one is salvaged", [up("A", record(4, "AB"), { backing: "a1" }), up("B", record(4, "AB"), { backing: "b2" })], "A", "salvaged A"],
  ["copies with and without an image", [up("A", null, { backing: "a1" }), up("B", null, { backing: "none" })], null, "UNLIKE_BACKING"],
  ["copies of which one does not tell its image", [up("A", record(4, "AB"), { backing: "a1" }), up("B", record(4, "AB"))], null, "proved AB"],
  ["another volume's replica", [up("A", record(4, "A")), up("B", null, { volume: "other" })], null, "WRONG_VOLUME"],
  ["another size", [up("A", record(4, "A"), { size: 512 })], null, "WRONG_SIZE"],
  ["one replica under two addresses", [up("A", record(4, "A")), { ...up("A", record(4, "A")), address: "x:1" }], null, "DUPLICATE"],
  ["salvage of one that does not answer yet", [up("A", record(4, "AB")), down("B")], "B", "wait"],
  ["salvage of one that does not exist", [up("A", record(4, "AB")), up("B", record(4, "AB"))], "C", "NO_SUCH_REPLICA"],
  ["salvage without proof", [up("A", record(4, "AB")), down("B")], "A", "salvaged A"],
  ["salvage of an unfit one", [up("A", record(4, "AB"), { unfit: "rebuilding" })], "A", "UNFIT"],
]; // prettier-ignore

for (const [name, answers, salvage, expected] of CASES) {
  t.test(`members: ${name}: ${expected}`, (t) => {
    t.equal(short(chooseMembers(answers, { ...WANTED, salvage })), expected);
    t.equal(
      short(chooseMembers([...answers].reverse(), { ...WANTED, salvage })).split(" ")[0],
      expected.split(" ")[0],
    );
    t.end();
  });
}

t.test("what is left out, waited for or refused is named with the facts", (t) => {
  const stale = chooseMembers([up("A", record(5, "A")), up("B", record(4, "AB")), down("C")], WANTED);
  t.match(stale, {
    type: "start",
    leftOut: [
      { address: "host-B:1", replicaId: "B", cause: "stale: its generation is 4, the newest is 5" },
      { address: "host-C:1", replicaId: null, cause: "does not answer: connection refused" },
    ],
  });
  const waiting = chooseMembers([down("A"), up("B", record(4, "AB"))], WANTED);
  t.match(waiting, {
    evidence:
      /have not answered: A; host-A:1: does not answer .*host-B:1: replica B, generation 4, members A, B/,
  });
  t.match(chooseMembers([up("A", null, { volume: "other" })], WANTED), {
    evidence: /host-A:1 holds volume other, not vol/,
  });
  t.end();
});

t.test("a salvaged volume's generation beats whatever an absent replica went on to", (t) => {
  const choice = chooseMembers([up("A", record(4, "AB")), down("B")], { ...WANTED, salvage: "A" });
  t.match(choice, { type: "start", generation: 4 + SALVAGE_GENERATION_LEAP });
  t.end();
});

function members(...lost: boolean[]): Member[] {
  return lost.map((lostWrites, i) => up(String(i), record(3, "01"), { lostWrites }) as Member);
}

const SOURCES: [name: string, lost: boolean[], sameBoot: boolean, accept: boolean, expected: number | "lost-writes"][] = [
  ["nobody lost anything", [false, false], true, false, 0],
  ["the first lost writes", [true, false], true, false, 1],
  ["all lost writes, the engine's machine did not restart", [true, true], true, false, "lost-writes"],
  ["... and that was accepted", [true, true], true, true, 0],
  ["all lost writes in a power cut of all machines", [true, true], false, false, 0],
  ["the only one lost writes", [true], true, false, "lost-writes"],
]; // prettier-ignore

for (const [name, lost, sameBoot, acceptLostWrites, expected] of SOURCES) {
  t.test(`source: ${name}: ${expected}`, (t) => {
    const rules = {
      engineBootId: "boot",
      lastEngineBootId: sameBoot ? "boot" : "older",
      acceptLostWrites,
      reverting: "",
    };
    const source = chooseSource(members(...lost), rules);
    t.equal(source.type === "source" ? source.index : source.type, expected);
    t.end();
  });
}

t.test(
  "source: of those that lost as much, one that was reverted, if the record says so: it may have been served",
  (t) => {
    const copies = (...lost: boolean[]) =>
      members(...lost).map((member, i) => ({
        ...member,
        facts: { ...member.facts, chainCreated: [`${i}`] },
      }));
    const rules = {
      engineBootId: "boot",
      lastEngineBootId: "older",
      acceptLostWrites: false,
      reverting: "1",
    };
    t.strictSame(chooseSource(copies(false, false), rules), { type: "source", index: 1 });
    t.strictSame(chooseSource(copies(true, true), rules), { type: "source", index: 1 });
    t.strictSame(chooseSource(copies(false, true), rules), { type: "source", index: 0 });
    t.strictSame(chooseSource(copies(false, false), { ...rules, reverting: "" }), {
      type: "source",
      index: 0,
    });
    t.end();
  },
);

/** A record that names the witness W. */
function quorum(generation: number, members: string, heldByAll = 0): MemberRecord {
  return { ...record(generation, `${members}W`, { heldByAll }), witnesses: ["W"] };
}

function told(stored: MemberRecord | null, facts: Partial<ReplicaFacts> = {}): Answer {
  return up("W", stored, { witness: true, size: 0, allocated: 0, ...facts });
}

const ALL = quorum(4, "AB");
const WITNESSED: [name: string, answers: Answer[], witness: Answer, expected: string][] = [
  ["all answer", [up("A", ALL), up("B", ALL)], told(ALL), "proved AB, told W"],
  ["the other copy is gone", [up("A", ALL), down("B")], told(ALL), "proved A, told W, without B"],
  ["the witness went back: the copies do not need it", [up("A", quorum(4, "AB", 3)), up("B", quorum(4, "AB", 3))], told(quorum(2, "AB")), "proved AB"],
  ["... and one copy cannot go on with its word", [up("A", quorum(4, "AB", 3)), down("B")], told(quorum(2, "AB")), "wait"],
  ["a copy went back: the others prove that they are current", [up("A", quorum(4, "AB", 3)), up("B", quorum(2, "AB"))], told(quorum(4, "AB", 3)), "proved A, told W, without B"],
  ["... and was emptied", [up("A", quorum(4, "AB", 3)), up("B", null)], told(quorum(4, "AB", 3)), "proved A, told W, without B"],
  ["a copy that was gone on with alone went back to before that", [up("A", ALL), up("B", ALL)], told(record(5, "B", { heldByAll: 5 })), "WENT_BACK"],
  ["the witness is gone", [up("A", ALL), up("B", ALL)], down("W"), "proved AB"],
  ["both others are gone", [up("A", ALL), down("B")], down("W"), "wait"],
  ["another witness than the copies had", [up("A", ALL), down("B")], told(null, { replicaId: "V" }), "wait"],
  ["it knows that the other one was gone on with", [up("A", ALL), down("B")], told(record(5, "B")), "wait"],
  ["... and that one answers", [up("A", ALL), up("B", ALL)], told(record(5, "B")), "proved B, told W"],
  ["one copy was gone on with, and needs nobody", [up("A", record(5, "A")), down("B")], down("W"), "proved A"],
  ["it was given up, and does not know that the other was gone on with", [up("A", record(5, "AB")), down("B")], told(ALL), "wait"],
  ["it was just joining: the other may have been gone on with", [up("A", record(4, "AB")), down("B")], told(quorum(5, "AB")), "wait"],
  ["... and a copy has stored that", [up("A", quorum(5, "AB")), down("B")], told(quorum(5, "AB")), "proved A, told W, without B"],
  ["it was just joining, and both answer: its word is not needed", [up("A", record(4, "AB")), up("B", record(4, "AB"))], told(quorum(5, "AB")), "proved AB"],
  ["of a new volume it knows nothing", [up("A", null), up("B", null)], told(null), "new AB"],
  ["it knows the volume, and the copies do not", [up("A", null), up("C", null)], told(ALL), "NO_RECORD"],
  ["a replica in its place", [up("A", ALL), up("B", ALL)], up("W", ALL), "WRONG_ROLE"],
  ["it stands for a replica", [up("A", ALL), { ...told(ALL), address: "x:1" }], told(ALL, { replicaId: "V" }), "WRONG_ROLE"],
  ["another volume's", [up("A", ALL), up("B", ALL)], told(ALL, { volume: "other" }), "WRONG_VOLUME"],
]; // prettier-ignore

for (const [name, answers, witness, expected] of WITNESSED) {
  t.test(`members with a witness: ${name}: ${expected}`, (t) => {
    const choice = chooseMembers(answers, WANTED, witness);
    const more =
      choice.type !== "start"
        ? ""
        : (choice.witness === null ? "" : ", told W") +
          (choice.missing.length === 0 ? "" : `, without ${choice.missing.join("")}`);
    t.equal(short(choice) + more, expected);
    t.end();
  });
}

t.test("what is gone on from says the most that was told of what all had stored", (t) => {
  const choice = chooseMembers(
    [up("A", quorum(4, "AB", 3)), up("B", quorum(3, "AB"))],
    WANTED,
    told(quorum(4, "AB", 4)),
  );
  t.match(choice, { type: "start", record: { generation: 4, heldByAll: 4 } });
  t.equal(short(choice), "proved A", "B went back");
  t.end();
});
