/** Every operation, ended at every one of its steps, and recovering from that ended at every one of its own. */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { lookAt, openDirectory, type ReplicaDirectory } from "../directory.js";
import { diskFiles, type Files } from "../files.js";
import type { ReplicaError } from "../replica-error.js";
import { scratchInMemory } from "../scratch.js";
import { deleteReplica } from "./delete.js";
import { expansion } from "./expand.js";
import { FailingFiles, Killed } from "./failing-files.js";
import { finishIntent, type Outcome } from "./intent.js";
import { markRemoved } from "./mark-removed.js";
import { recover } from "./recover.js";
import { removeDisk } from "./remove.js";
import { replaceDisk } from "./replace.js";
import { revert } from "./revert.js";
import { BLOCK, contentOf, sampleDirectory, SIZE } from "./sample-directory.js";
import { abandonSnapshot, commitSnapshot, finishSnapshot, prepareSnapshot, SnapshotError, type SnapshotRequest } from "./snapshot.js"; // prettier-ignore

const CREATED = "2026-05-06T07:08:09Z";
const HEAD = "volume-head-004.img";
const snap = (name: string) => `volume-snap-${name}.img`;

// root - a - b - c - HEAD, with a branch d - e at a; root - HEAD for a deletion, whose steps are all alike.
function sample(path: string, what: string): void {
  if (what === "delete") {
    sampleDirectory(path, HEAD, {
      [snap("root")]: { parent: "", blocks: [0, 1, 2] },
      [HEAD]: { parent: snap("root"), blocks: [0, 10] },
    });
    return;
  }
  sampleDirectory(path, HEAD, {
    [snap("root")]: { parent: "", blocks: [0, 1, 2] },
    [snap("a")]: { parent: snap("root"), blocks: [1, 5], removed: true },
    [snap("b")]: { parent: snap("a"), blocks: [2, 6] },
    [snap("c")]: { parent: snap("b"), blocks: [7], labels: { z: "1", a: "<&>" } },
    [snap("d")]: { parent: snap("a"), blocks: [8] },
    [snap("e")]: { parent: snap("d"), blocks: [9] },
    [HEAD]: { parent: snap("c"), blocks: [0, 10] },
  });
}

async function takeSnapshot(directory: ReplicaDirectory, request: SnapshotRequest, files: Files) {
  const prepared = await prepareSnapshot(directory, request, 250, files);
  const after = await commitSnapshot(directory, prepared, files);
  await finishSnapshot(directory.path, prepared, files);
  return after;
}

const request: SnapshotRequest = {
  name: "new",
  userCreated: true,
  created: CREATED,
  labels: { k: "v" },
  size: null,
};

const outcome = async (call: Promise<Outcome>) => (await call).directory;

type Operation = (directory: ReplicaDirectory, files: Files) => Promise<ReplicaDirectory | null>;

const OPERATIONS: Record<string, Operation> = {
  snapshot: (directory, files) => takeSnapshot(directory, request, files),
  "snapshot, abandoned": async (directory, files) => {
    const prepared = await prepareSnapshot(directory, request, 250, files);
    const failure = await abandonSnapshot(directory, prepared, files);
    if (failure !== null) throw failure;
    return directory;
  },
  expand: (directory, files) => {
    const request = expansion(directory, 2 * SIZE, CREATED, 250);
    if (request === null) throw new Error("it is larger");
    return takeSnapshot(directory, request, files);
  },
  revert: (directory, files) => outcome(revert(directory, snap("d"), CREATED, files)),
  "mark removed": (directory, files) => markRemoved(directory, "b", files),
  "remove a leaf": (directory, files) => outcome(removeDisk(directory, snap("e"), false, files)),
  "remove in the middle": (directory, files) => outcome(removeDisk(directory, snap("b"), false, files)),
  "remove the head's parent": (directory, files) => outcome(removeDisk(directory, snap("c"), false, files)),
  "remove with several children": (directory, files) =>
    outcome(removeDisk(directory, snap("a"), true, files)),
  replace: (directory, files) => outcome(replaceDisk(directory, snap("e"), snap("d"), files)),
  "replace in the live chain": (directory, files) =>
    outcome(replaceDisk(directory, snap("c"), snap("b"), files)),
  delete: (directory, files) => deleteReplica(directory, files).then(() => null),
};

// Some ten thousand small files, on boards with an SD card as well.
t.setTimeout(300_000);

/** Opens as the daemon does. @returns null: nothing is there */
async function reopen(path: string, files: Files = diskFiles): Promise<ReplicaDirectory | null> {
  await finishIntent(path, files);
  if ((await lookAt(path)).state === "empty") return null;
  return (await recover(path, files)).directory;
}

/** Runs `what` on a new directory at `path`, until `files` end it. */
async function cut(path: string, what: string, operation: Operation, files: FailingFiles): Promise<void> {
  rmSync(path, { recursive: true, force: true });
  sample(path, what);
  await isKilled(operation(await openDirectory(path), files));
}

t.test("a crash after a snapshot's commit keeps what was written to the new head since", async (t) => {
  const path = join(scratchInMemory(t), "replica");
  for (let step = 0, killed = true; killed; step++) {
    rmSync(path, { recursive: true, force: true });
    sample(path, "snapshot");
    const directory = await openDirectory(path);
    const prepared = await prepareSnapshot(directory, request, 250);
    await commitSnapshot(directory, prepared);
    // I/O goes on before the old head's name has gone.
    writeBlock(join(path, prepared.head.file), 3);
    const [head, snapshot] = [prepared.head.file, prepared.file].map((name) => contentOf(path)[name]);
    killed = await isKilled(finishSnapshot(path, prepared, new FailingFiles(step, "kill")));
    t.equal((await reopen(path))?.chain[0], prepared.head.file);
    const { [prepared.head.file]: headNow, [prepared.file]: snapshotNow, [HEAD]: oldHead } = contentOf(path);
    t.strictSame([headNow, snapshotNow, oldHead], [head, snapshot, undefined], `ended at step ${step}`);
  }
});

function writeBlock(file: string, block: number): void {
  const fd = openSync(file, "r+");
  writeSync(fd, Buffer.alloc(BLOCK, 0xee), 0, BLOCK, block * BLOCK);
  closeSync(fd);
}

async function isKilled(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return false;
  } catch (error) {
    for (let reason = error; reason instanceof Error; reason = reason.cause)
      if (reason instanceof Killed) return true;
    throw error;
  }
}

for (const what of Object.keys(OPERATIONS).filter((what) => /^(revert|remove|replace)/.test(what))) {
  t.test(`${what}: a snapshot after one that a disk failed in can be opened`, async (t) => {
    const path = join(scratchInMemory(t), "replica");
    for (let step = 1; ; step++) {
      rmSync(path, { recursive: true, force: true });
      sample(path, what);
      const before = await openDirectory(path);
      const files = new FailingFiles(step, "EIO");
      const inMemory = await OPERATIONS[what]?.(before, files).catch((error: unknown) => {
        // The replica is then opened anew before anything else.
        return (error as ReplicaError).code === "UNCERTAIN" ? null : before;
      });
      if (files.steps < step) break;
      if (!inMemory) continue;
      const after = await takeSnapshot(inMemory, request, diskFiles);
      const directory = await reopen(path);
      t.same(directory?.chain.slice(0, 2), after.chain.slice(0, 2), `step ${step}`);
    }
  });
}

for (const [what, operation] of Object.entries(OPERATIONS)) {
  t.test(`${what}: ended at any step, the directory is as before or as after`, async (t) => {
    const path = join(scratchInMemory(t), "replica");
    sample(path, what);
    const before = contentOf(path);
    const inMemory = await operation(await openDirectory(path), diskFiles);
    const after = contentOf(path);
    if (inMemory === null) t.same(after, {});
    else
      t.same(
        { ...inMemory, leftovers: [] },
        await openDirectory(path),
        "the result is what a reopening reads",
      );

    const seen = new Set<string>();
    const check = (where: string) => {
      const now = contentOf(path);
      const state = JSON.stringify(now) === JSON.stringify(after) ? "after" : "before";
      if (state === "before" && JSON.stringify(now) !== JSON.stringify(before)) t.same(now, before, where);
      seen.add(state);
    };
    const whole = new FailingFiles(Infinity, "kill");
    await cut(path, what, operation, whole);
    t.notOk(whole.unsynced, "all of it is durable at the end");
    for (const step of [...whole.changes, Infinity]) {
      await cut(path, what, operation, new FailingFiles(step, "kill"));
      const reopening = new FailingFiles(Infinity, "kill");
      await reopen(path, reopening);
      check(`step ${step}`);
      for (const reopeningStep of reopening.changes) {
        await cut(path, what, operation, new FailingFiles(step, "kill"));
        t.ok(await isKilled(reopen(path, new FailingFiles(reopeningStep, "kill"))));
        await reopen(path);
        check(`step ${step}, ${reopeningStep}`);
      }
    }
    t.ok(whole.changes.length > 1, `${whole.changes.length} steps`);
    t.equal(seen.size, JSON.stringify(before) === JSON.stringify(after) ? 1 : 2, "both are seen");
  });

  t.test(`${what}: a full disk or a failing one leaves the directory as before or as after`, async (t) => {
    const path = join(scratchInMemory(t), "replica");
    sample(path, what);
    const before = contentOf(path);
    await operation(await openDirectory(path), diskFiles);
    const after = contentOf(path);
    for (const how of ["ENOSPC", "EIO"] as const) {
      for (let step = 1; ; step++) {
        rmSync(path, { recursive: true });
        sample(path, what);
        const files = new FailingFiles(step, how);
        const result: unknown = await operation(await openDirectory(path), files).then(
          () => null,
          (error: unknown) => error,
        );
        if (files.steps < step) break;
        if (result instanceof SnapshotError && result.undoing === null) t.same(contentOf(path), before, `step ${step}: undone at once`); // prettier-ignore
        const directory = await reopen(path);
        const now = contentOf(path);
        if (JSON.stringify(now) !== JSON.stringify(after)) t.same(now, before, `step ${step}`);
        if (result === null) t.same(now, after, `step ${step}: done in spite of it`);
        t.ok(directory === null || directory.leftovers.length === 0);
      }
    }
  });
}
