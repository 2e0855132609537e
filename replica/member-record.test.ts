import fc from "fast-check";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import {
  formatRecord,
  parseRecord,
  readRecord,
  RECORD_NAME,
  writeRecord,
  type ReplicaRecord,
} from "./member-record.js";
import { ReplicaError } from "./replica-error.js";
import { scratch } from "./scratch.js";

const record: ReplicaRecord = {
  volume: "vol",
  replicaId: "r1",
  bootId: "boot",
  lostWrites: true,
  heldGeneration: 3,
  member: {
    generation: 3,
    members: ["r1", "r2"],
    engineId: "e",
    engineBootId: "eb",
    engineState: Buffer.from([0, 255, 10]),
    revisionAtLeast: 12,
    witnesses: [],
    reverting: "2026-01-02T03:04:05Z",
    leased: true,
    heldByAll: 0,
    absent: [{ replicaId: "r3", heldAtLeast: 1, heldAtMost: 2, excludedAt: 3 }],
  },
};

const voter: ReplicaRecord = {
  ...record,
  witness: true,
  vote: {
    voters: ["r0", record.replicaId, "r9"],
    promised: { round: 7, proposer: "p" },
    accepted: { round: 6, proposer: "q" },
  },
};

t.test("a record survives being written and read", async (t) => {
  const path = scratch(t);
  t.equal(await readRecord(path), null);
  await writeRecord(path, record);
  t.same(await readRecord(path), record);
  await writeRecord(path, { ...record, member: null, lostWrites: false });
  t.same(await readRecord(path), { ...record, member: null, lostWrites: false });
  t.same(readdirSync(path), [RECORD_NAME]);
  await writeRecord(path, voter);
  t.same(await readRecord(path), voter);
  t.match(
    formatRecord(voter),
    /^{"format":2,/,
    "nobody takes it for a witness by itself who knows of no votes",
  );
});

t.test("one that was written before reverts and leases were named in it names none", (t) => {
  const text = formatRecord(record).replace(',"reverting":"2026-01-02T03:04:05Z","leased":true', "");
  t.match(parseRecord(text, "file").member, { reverting: "", leased: false, heldByAll: 0 });
  t.end();
});

t.test("a damaged record is an error that names the file, never an absent one", async (t) => {
  const path = scratch(t);
  const file = join(path, RECORD_NAME);
  const good = formatRecord(record);
  const vote = formatRecord(voter);
  const bad: [string, string, string][] = [
    ["empty", "", "DAMAGED"],
    ["cut", good.slice(0, 40), "DAMAGED"],
    ["zeros", "\0".repeat(100), "DAMAGED"],
    ["another format", good.replace('"format":1', '"format":3'), "UNSUPPORTED"],
    ["no member", good.replace('"member"', '"membre"'), "DAMAGED"],
    ["no lost-writes mark", good.replace('"lostWrites"', '"lost"'), "DAMAGED"],
    ["no volume", good.replace('"vol"', '""'), "DAMAGED"],
    ["generation 0", good.replace('"generation":3', '"generation":0'), "DAMAGED"],
    ["generation as text", good.replace('"generation":3', '"generation":"3"'), "DAMAGED"],
    ["a vote of others", vote.replace(`"r0","${record.replicaId}"`, '"r0","other"'), "DAMAGED"],
    ["a ballot as text", vote.replace('"round":7', '"round":"7"'), "DAMAGED"],
    ["no members", good.replace('["r1","r2"]', "[]"), "DAMAGED"],
  ];
  for (const [what, text, code] of bad) {
    writeFileSync(file, text);
    await t.rejects(readRecord(path), { code, message: new RegExp(RECORD_NAME) }, what);
    t.equal(readFileSync(file, "utf8"), text, `${what}: left as it is`);
  }
});

t.test("no text makes the parser fail other than with a ReplicaError", (t) => {
  const good = formatRecord(voter);
  const mutation = fc.tuple(fc.nat(good.length), fc.string({ maxLength: 4 }), fc.nat(8));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), mutation), (input) => {
      const text =
        typeof input === "string"
          ? input
          : good.slice(0, input[0]) + input[1] + good.slice(input[0] + input[2]);
      try {
        parseRecord(text, "file");
      } catch (error) {
        if (!(error instanceof ReplicaError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
  t.end();
});
