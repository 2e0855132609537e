import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { MemberRecord } from "../proto/control.js";
import { ensureDirectory } from "./create.js";
import { lockDirectory } from "./lock.js";
import { isLossMarked, markLoss } from "./loss-mark.js";
import { readRecord, writeRecord } from "./member-record.js";
import { sampleDirectory } from "./ops/sample-directory.js";
import { ReplicaError } from "./replica-error.js";
import { scratch } from "./scratch.js";
import { UnusableReplica } from "./unusable.js";

const HEAD = "volume-head-000.img";
const MEMBER: MemberRecord = {
  ...{ generation: 4, members: ["r1", "r2"], engineId: "e", engineBootId: "", witnesses: [], absent: [] },
  ...{ engineState: Buffer.alloc(0), revisionAtLeast: 0, reverting: "", leased: false, heldByAll: 0 },
};

interface Case {
  name: string;
  /** as recorded */
  bootId: string;
  lostWrites?: true;
  marked?: true;
  expected: boolean;
}

const CASES: Case[] = [
  { name: "its machine restarted", bootId: "boot-1", expected: true },
  { name: "its machine did not restart", bootId: "boot-2", expected: false },
  { name: "all was durable at its last stop", bootId: "", expected: false },
  { name: "its record says so", bootId: "boot-2", lostWrites: true, expected: true },
  { name: "a sync had failed", bootId: "boot-2", marked: true, expected: true },
];

for (const { name, bootId, lostWrites = false, marked, expected } of CASES) {
  t.test(`one that cannot be opened ${expected ? "may have" : "has not"} lost writes: ${name}`, async (t) => {
    const base = scratch(t);
    const directory = join(base, "replica");
    const bootIdFile = join(base, "boot");
    writeFileSync(bootIdFile, "boot-2\n");
    await ensureDirectory(directory);
    sampleDirectory(directory, HEAD, { [HEAD]: { parent: "volume-snap-gone.img" } });
    const record = { volume: "vol", replicaId: "r1", member: MEMBER, heldGeneration: 4, bootId, lostWrites };
    await writeRecord(directory, record);
    if (marked) {
      lockDirectory(directory).release();
      await markLoss(directory);
    }
    const options = { directory, volume: "vol", replicaId: "r1", size: null, backingFile: null, bootIdFile };
    const unusable = await UnusableReplica.of(
      { ...options, cache: "writeback" },
      new ReplicaError("DAMAGED", "its chain is damaged"),
    );
    t.equal(unusable.facts({ dataPort: 1, dataSocket: "" }).lostWrites, expected);
    t.equal(unusable.standing.lostWrites, expected);
    // The opening after a repair finds it out by itself.
    await unusable.keep({ volume: "vol", replicaId: "r1", record: MEMBER, basis: null });
    t.strictSame(await readRecord(directory), record);
  });
}

t.test("a mark that cannot be looked at is not taken for missing", async (t) => {
  const directory = scratch(t);
  t.notOk(await isLossMarked(directory));
  symlinkSync("aurochs.lost", join(directory, "aurochs.lost")); // a loop: stands for a disk that fails
  await t.rejects(isLossMarked(directory), { code: "IO_ERROR", message: /cannot find .*aurochs\.lost/ });
});
