/** The sync agent's service, called as Longhorn's callers do. */
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { open, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import t from "tap";
import { sampleDirectory } from "../ops/sample-directory.js";
import { scratch } from "../scratch.js";
import { changeTimeOf, formatChecksumFile, formatChangeTime, hasRotted } from "../checksum-file.js";
import { hashFile } from "./hash-file.js";
import { imageOf, makeSparse, markRotten, serveAgent, serveDirectory } from "./testing.js";

const MIB = 1 << 20;
const BLOCK = 4096;
const options = { timeoutMs: 30_000 };
const A = "volume-snap-a.img";
const B = "volume-snap-b.img";
const HEAD = "volume-head-002.img";

/** Asks until the answer is what was waited for. */
async function until<T>(ask: () => Promise<T>, good: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (good(answer)) return answer;
    await sleep(5);
  }
}

t.test("files are removed and renamed, and nothing outside the directory can be named", async (t) => {
  const directory = scratch(t);
  const { calls } = await serveAgent(t, directory);
  writeFileSync(join(directory, A), "a");
  await calls.fileRename({ oldFileName: A, newFileName: B }, options);
  t.strictSame([existsSync(join(directory, A)), existsSync(join(directory, B))], [false, true]);
  await calls.fileRemove({ fileName: B }, options);
  t.notOk(existsSync(join(directory, B)));
  await t.rejects(calls.fileRemove({ fileName: B }, options), {
    code: status.UNKNOWN,
    message: `remove ${B}: no such file or directory`,
  });
  await t.rejects(calls.fileRename({ oldFileName: A, newFileName: B }, options), {
    message: `rename ${A} ${B}: no such file or directory`,
  });
  for (const fileName of [
    "",
    "../x",
    "/etc/passwd",
    "volume.meta",
    "aurochs.record",
    "volume-x/../y",
    "volume-head-000.img",
  ])
    await t.rejects(
      calls.fileRemove({ fileName }, options),
      { message: /invalid file name|is the head/ },
      fileName,
    );
  await t.rejects(calls.receiverLaunch({ toFileName: "volume-head-000.img" }, options));
  await t.rejects(calls.fileSend({ fromFileName: "../volume-a", host: "127.0.0.1", port: 1 }, options));
});

t.test("what the open replica consists of is neither removed nor renamed nor put in its place", async (t) => {
  const directory = scratch(t);
  sampleDirectory(directory, HEAD, { [A]: { parent: "" }, [B]: { parent: "" }, [HEAD]: { parent: B } });
  const C = "volume-snap-c.img";
  for (const name of [C, `${A}.checksum`, "volume-delta-x.img"]) writeFileSync(join(directory, name), "{}");
  const { calls } = await serveAgent(t, directory, { replicaAddress: await serveDirectory(t, directory) });
  for (const fileName of [A, B, HEAD].flatMap((name) => [name, `${name}.meta`])) {
    const inUse = { message: new RegExp(`^${fileName} is (in use|the head)`) };
    await t.rejects(calls.fileRemove({ fileName }, options), inUse, fileName);
    await t.rejects(calls.fileRename({ oldFileName: fileName, newFileName: C }, options), inUse);
    await t.rejects(calls.fileRename({ oldFileName: C, newFileName: fileName }, options), inUse);
    t.ok(existsSync(join(directory, fileName)), fileName);
  }
  await t.rejects(calls.fileRemove({ fileName: "volume.meta" }, options), { message: /invalid file name/ });
  await t.rejects(calls.fileRemove({ fileName: "revision.counter" }, options), {
    message: /invalid file name/,
  });
  for (const fileName of [C, `${A}.checksum`, "volume-delta-x.img"])
    await calls.fileRemove({ fileName }, options);
});

t.test("receivers get ports round robin, and there are no more than there are", async (t) => {
  const directory = scratch(t);
  const first = 21_000 + (process.pid % 5_000);
  const { calls } = await serveAgent(t, directory, { ports: { first, last: first + 1 } });
  const ports = [
    (await calls.receiverLaunch({ toFileName: A }, options)).port,
    (await calls.receiverLaunch({ toFileName: B }, options)).port,
  ];
  t.strictSame(ports, [first, first + 1]);
  await t.rejects(calls.receiverLaunch({ toFileName: "volume-snap-c.img" }, options), {
    message: "out of ports",
  });
  await t.rejects(calls.receiverLaunch({ toFileName: A }, options), { message: /is being received already/ });
});

t.test("a file goes from one agent to another by ReceiverLaunch and FileSend", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  const [source, target] = [await serveAgent(t, from), await serveAgent(t, to)];
  await makeSparse(join(from, A), 8 * MIB, [[MIB, 3 * MIB]]);
  const { port } = await target.calls.receiverLaunch({ toFileName: A }, options);
  await source.calls.fileSend({ fromFileName: A, host: "127.0.0.1", port }, options);
  t.strictSame(await imageOf(join(to, A)), await imageOf(join(from, A)));
});

t.test("all files of a replica are synced, those that are here already by their differences", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  const [source, target] = [await serveAgent(t, from), await serveAgent(t, to)];
  await makeSparse(join(from, A), 8 * MIB, [[MIB, 3 * MIB]]);
  await makeSparse(join(from, B), 8 * MIB, [[0, 8 * MIB]]);
  await makeSparse(join(to, B), 8 * MIB, [[5 * MIB, 2 * MIB]]);
  for (const name of [A, B]) writeFileSync(join(from, `${name}.meta`), `{"Parent":"","Name":"${name}"}\n`);
  writeFileSync(join(to, "volume-snap-old.img.receiving"), "left over");
  for (const name of ["volume-snap-other.img", "volume-snap-other.img.receiving"])
    writeFileSync(join(to, name), "");
  t.strictSame(await target.calls.replicaRebuildStatus({}, options), {
    isRebuilding: false,
    error: "",
    progress: 0,
    state: "",
    fromReplicaAddress: "",
    fromReplicaAddressList: [],
  });
  const syncFileInfoList = [A, B].flatMap((name) => [
    { fromFileName: name, toFileName: name, actualSize: statSync(join(from, name)).blocks * 512 },
    { fromFileName: `${name}.meta`, toFileName: `${name}.meta`, actualSize: 0 },
  ]);
  const fromAddress = `tcp://${source.replicaAddress}`;
  await target.calls.filesSync(
    { fromAddress, toHost: "127.0.0.1", syncFileInfoList, fastSync: true },
    options,
  );
  for (const name of [A, B]) {
    t.strictSame(await imageOf(join(to, name)), await imageOf(join(from, name)));
    t.equal(readFileSync(join(to, `${name}.meta`), "utf8"), readFileSync(join(from, `${name}.meta`), "utf8"));
  }
  t.notOk(existsSync(join(to, "volume-snap-old.img.receiving")), "what a broken transfer left is gone");
  t.ok(existsSync(join(to, "volume-snap-other.img.receiving")), "not what says that a file is not whole");
  t.match(await target.calls.replicaRebuildStatus({}, options), {
    isRebuilding: false,
    progress: 100,
    state: "complete",
    fromReplicaAddress: fromAddress,
  });
  await target.calls.reset({}, options);
  t.match(await target.calls.replicaRebuildStatus({}, options), {
    progress: 0,
    state: "",
    fromReplicaAddress: "",
  });
});

t.test("a replica that lacks the file is named, and what came of it stands under no name", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  const [source, target] = [await serveAgent(t, from), await serveAgent(t, to)];
  const syncFileInfoList = [{ fromFileName: A, toFileName: A, actualSize: 1 }];
  const request = { fromAddress: source.replicaAddress, toHost: "127.0.0.1", syncFileInfoList };
  const expected = /^replica 127\.0\.0\.1:\d+ failed to send file volume-snap-a\.img to 127\.0\.0\.1:\d+: rpc error: code = Unknown desc = failed to sync content for source file volume-snap-a\.img: open volume-snap-a\.img: no such file or directory$/; // prettier-ignore
  await t.rejects(target.calls.filesSync(request, options), { code: status.UNKNOWN, message: expected });
  t.match(await target.calls.replicaRebuildStatus({}, options), {
    state: "error",
    error: expected,
    isRebuilding: false,
  });
  t.notOk(existsSync(join(to, A)));
});

t.test("of several sources, another one is asked when one fails", async (t) => {
  const [from, empty, to] = [scratch(t), scratch(t), scratch(t)];
  const [source, without, target] = [
    await serveAgent(t, from),
    await serveAgent(t, empty),
    await serveAgent(t, to),
  ];
  await makeSparse(join(from, A), MIB, [[0, MIB]]);
  const fromAddressMap = { [without.replicaAddress]: true, [source.replicaAddress]: true };
  const syncFileInfoList = [{ fromFileName: A, toFileName: A, actualSize: MIB }];
  await target.calls.filesSync({ fromAddressMap, toHost: "127.0.0.1", syncFileInfoList }, options);
  t.strictSame(await imageOf(join(to, A)), await imageOf(join(from, A)));
});

t.test("a snapshot that has rotted is not spread, and comes from another replica", async (t) => {
  for (const isFound of [false, true]) {
    const [from, sound, to] = [scratch(t), scratch(t), scratch(t)];
    const agents = [await serveAgent(t, from), await serveAgent(t, sound), await serveAgent(t, to)] as const;
    const [rotten, other, target] = agents;
    await makeSparse(join(sound, A), MIB, [[0, MIB]]);
    const checksum = await hashFile(join(sound, A), new AbortController().signal);
    copyFileSync(join(sound, A), join(from, A));
    const file = openSync(join(from, A), "r+");
    writeSync(file, "rot", 4096);
    closeSync(file);
    // Nobody is known to have written that.
    const changeTime = await changeTimeOf(join(from, A));
    const recorded = { method: "crc64", checksum, lastHashedAt: "", silentlyCorrupted: isFound, changeTime };
    writeFileSync(join(from, `${A}.checksum`), formatChecksumFile(recorded));
    const syncFileInfoList = [{ fromFileName: A, toFileName: A, actualSize: MIB }];
    const request = { toHost: "127.0.0.1", syncFileInfoList };
    await t.rejects(
      target.calls.filesSync({ ...request, fromAddress: rotten.replicaAddress }, options),
      isFound
        ? /snapshot a has rotted on this replica: rebuild it /
        : /has rotted where it came from: its checksum is/,
    );
    t.notOk(existsSync(join(to, A)));
    await target.calls.reset({}, options);
    const fromAddressMap = { [rotten.replicaAddress]: true, [other.replicaAddress]: true };
    await target.calls.filesSync({ ...request, fromAddressMap }, options);
    t.strictSame(await imageOf(join(to, A)), await imageOf(join(sound, A)));
  }
});

t.test("calls that are meant for another volume are refused, through FilesSync as well", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  const source = await serveAgent(t, from, { volumeName: "other", instanceName: "other-r" });
  const target = await serveAgent(t, to, { volumeName: "vol", instanceName: "vol-r" });
  const syncFileInfoList = [{ fromFileName: A, toFileName: A, actualSize: 1 }];
  const request = { fromAddress: source.replicaAddress, toHost: "127.0.0.1", syncFileInfoList };
  await t.rejects(target.calls.filesSync(request, options), {
    code: status.FAILED_PRECONDITION,
    message: /rpc error: code = FailedPrecondition desc = incorrect volume name vol; check replica address/,
  });
});

t.test("a snapshot is exported as it read, from all layers below it", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  sampleDirectory(from, HEAD, {
    [A]: { parent: "", blocks: [0, 1, 2], size: 8 * BLOCK },
    [B]: { parent: A, blocks: [1, 9, 10] },
    [HEAD]: { parent: B, blocks: [0, 5] },
  });
  const reads: string[] = [];
  const whileRead = <T>(work: () => Promise<T>): Promise<T> => {
    reads.push("begun");
    return work().finally(() => reads.push("ended"));
  };
  const [source, target] = [await serveAgent(t, from, { whileRead }), await serveAgent(t, to)];
  const { port } = await target.calls.receiverLaunch({ toFileName: A }, options);
  await source.calls.volumeExport({ snapshotFileName: "b", host: "127.0.0.1", port }, options);
  t.strictSame(reads, ["begun", "ended"], "while nothing is freed in what it reads");
  const bytes = readFileSync(join(to, A));
  const blocks = Array.from({ length: 16 }, (_, i) => bytes[i * BLOCK]);
  t.strictSame(blocks, [1, 2, 1, 0, 0, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0]);
  t.strictSame((await imageOf(join(to, A))).runs, [
    [0, 3 * BLOCK],
    [9 * BLOCK, 2 * BLOCK],
  ]);
  await t.rejects(source.calls.volumeExport({ snapshotFileName: "none", host: "127.0.0.1", port }, options), {
    message: /failed to find metadata for volume-snap-none\.img/,
  });
});

t.test("a snapshot is not exported when it, or a layer below it, has rotted", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  sampleDirectory(from, HEAD, {
    [A]: { parent: "", blocks: [0] },
    [B]: { parent: A, blocks: [1] },
    [HEAD]: { parent: B },
  });
  const [source, target] = [await serveAgent(t, from), await serveAgent(t, to)];
  await markRotten(join(from, A));
  const { port } = await target.calls.receiverLaunch({ toFileName: B }, options);
  for (const snapshotFileName of ["a", "b"])
    await t.rejects(source.calls.volumeExport({ snapshotFileName, host: "127.0.0.1", port }, options), {
      message:
        /snapshot a has rotted on this replica: .* remove volume-snap-a\.img\.checksum if the snapshot is to be taken as it is/,
    });
  t.notOk(existsSync(join(to, B)));
  unlinkSync(join(from, `${A}.checksum`));
  await source.calls.volumeExport({ snapshotFileName: "b", host: "127.0.0.1", port }, options);
  t.ok(existsSync(join(to, B)));
});

t.test("a cloned snapshot is what the volume reads", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  sampleDirectory(from, HEAD, {
    [A]: { parent: "", blocks: [0, 1] },
    [B]: { parent: A, blocks: [1] },
    [HEAD]: { parent: B, blocks: [0] },
  });
  sampleDirectory(to, "volume-head-000.img", { "volume-head-000.img": { parent: "" } });
  const replicaAddress = await serveDirectory(t, to);
  const target = await serveAgent(t, to, { replicaAddress });
  const source = await sourceWithReplica(t, from);
  const request = {
    fromAddress: source,
    toHost: "127.0.0.1",
    snapshotFileName: "b",
    fromVolumeName: "origin",
  };
  await target.calls.snapshotClone(request, options);
  t.match(await target.calls.snapshotCloneStatus({}, options), {
    isCloning: false,
    progress: 100,
    state: "complete",
    fromReplicaAddress: source,
    snapshotName: "b",
  });
  t.equal(readFileSync(join(to, `${B}.meta`), "utf8"), `{"Parent":""}\n`);
  t.equal((JSON.parse(readFileSync(join(to, "volume.meta"), "utf8")) as { Parent: string }).Parent, B);
  const bytes = readFileSync(join(to, B));
  t.strictSame([bytes[0], bytes[BLOCK], bytes[2 * BLOCK]], [1, 2, 0]);
  await t.rejects(target.calls.snapshotClone(request, options), {
    message: /snapshot volume-snap-b\.img is already existing/,
  });
  await t.rejects(target.calls.snapshotClone({ ...request, snapshotFileName: "none" }, options), {
    message: new RegExp(`cannot find snapshot none in the source replica ${source}`),
  });
});

t.test("purge takes removed snapshots out, keeps the head's parent, and says how far it is", async (t) => {
  const directory = scratch(t);
  const names = ["volume-snap-0.img", "volume-snap-1.img", "volume-snap-2.img", "volume-snap-3.img"] as const;
  const [zero, one, two, three] = names;
  sampleDirectory(directory, HEAD, {
    [zero]: { parent: "", blocks: [0, 1], removed: true },
    [one]: { parent: zero, blocks: [1, 2] },
    [two]: { parent: one, blocks: [2, 3], userCreated: false },
    [three]: { parent: two, blocks: [3, 4], removed: true },
    "volume-snap-branch.img": { parent: one, blocks: [7], removed: true },
    [HEAD]: { parent: three, blocks: [4] },
  });
  const before = mergedBytes(directory, [zero, one, two, three, HEAD]);
  const { calls } = await serveAgent(t, directory, { replicaAddress: await serveDirectory(t, directory) });
  t.match(await calls.snapshotPurgeStatus({}, options), { isPurging: false, progress: 0, state: "" });
  await calls.snapshotPurge({}, options);
  const end = await until(
    () => calls.snapshotPurgeStatus({}, options),
    ({ isPurging }) => !isPurging,
  );
  t.match(end, { error: "", progress: 100, state: "complete" });
  t.notOk(existsSync(join(directory, zero)), "merged into its child");
  t.notOk(existsSync(join(directory, "volume-snap-branch.img")), "nothing hung on it");
  t.ok(existsSync(join(directory, three)), "the head's parent stays");
  t.strictSame(
    (await imageOf(join(directory, three))).runs,
    [[2 * BLOCK, 2 * BLOCK]],
    "without what the head hides",
  );
  t.strictSame(mergedBytes(directory, [one, three, HEAD]), before);
});

t.test("purge merges nothing that has rotted, and frees nothing in it", async (t) => {
  for (const rotten of [A, B]) {
    const directory = scratch(t);
    sampleDirectory(directory, HEAD, {
      [A]: { parent: "", blocks: [0, 1], removed: rotten === A },
      [B]: { parent: A, blocks: [1, 2], removed: rotten === B },
      [HEAD]: { parent: B, blocks: [2] },
    });
    await markRotten(join(directory, rotten));
    const before = mergedBytes(directory, [A, B, HEAD]);
    const { calls } = await serveAgent(t, directory, { replicaAddress: await serveDirectory(t, directory) });
    await calls.snapshotPurge({}, options);
    const end = await until(
      () => calls.snapshotPurgeStatus({}, options),
      ({ isPurging }) => !isPurging,
    );
    t.match(end, { state: "error", error: /snapshot [ab] has rotted on this replica/ });
    t.ok(await hasRotted(join(directory, rotten)));
    t.strictSame(mergedBytes(directory, [A, B, HEAD]), before);
  }
});

t.test("while it purges, a replica neither purges, nor is rebuilt, nor sends", async (t) => {
  const directory = scratch(t);
  writeFileSync(join(directory, A), "");
  const status = { isPurging: true, progress: 40, state: "in_progress", error: "" } as const;
  const purging = { status, run: () => Promise.reject(new Error("not twice")), reset: () => undefined };
  const { calls } = await serveAgent(t, directory, { purging: () => purging });
  t.match(await calls.snapshotPurgeStatus({}, options), status);
  await t.rejects(calls.snapshotPurge({}, options), { message: "replica is already purging snapshots" });
  await t.rejects(calls.filesSync({ fromAddress: "127.0.0.1:1" }, options), {
    message: "replica is purging snapshots",
  });
  const file = { fromFileName: A, host: "127.0.0.1", port: 1 };
  await t.rejects(calls.fileSend(file, options), { message: "replica is purging snapshots" });
});

t.test("hashing records a checksum, spares the next time, and reports rot", async (t) => {
  const directory = scratch(t);
  const path = join(directory, A);
  await makeSparse(path, MIB, [[0, 64 << 10]]);
  const { calls } = await serveAgent(t, directory);
  const hashed = () =>
    until(
      () => calls.snapshotHashStatus({ snapshotName: "a" }, options),
      ({ state }) => state !== "in_progress",
    );
  t.match(await calls.snapshotHashStatus({ snapshotName: "a" }, options), { state: "error" });
  await calls.snapshotHash({ snapshotName: "a" }, options);
  const checksum = await hashFile(path, new AbortController().signal);
  t.strictSame(await hashed(), { state: "complete", checksum, error: "", silentlyCorrupted: false });
  t.match(JSON.parse(readFileSync(`${path}.checksum`, "utf8")), {
    method: "crc64",
    checksum,
    change_time: formatChangeTime((await stat(path, { bigint: true })).ctimeNs),
    last_hashed_at: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
    silently_corrupted: false,
  });
  // The same ctime with another checksum is what rot looks like.
  const recorded = {
    method: "crc64",
    checksum: "00000000000000aa",
    lastHashedAt: "",
    silentlyCorrupted: false,
  };
  const changeTime = formatChangeTime((await stat(path, { bigint: true })).ctimeNs);
  writeFileSync(`${path}.checksum`, formatChecksumFile({ ...recorded, changeTime }));
  await calls.snapshotHash({ snapshotName: "a" }, options);
  t.match(
    await hashed(),
    { state: "complete", checksum: recorded.checksum, silentlyCorrupted: false },
    "it is believed",
  );
  await calls.snapshotHash({ snapshotName: "a", rehash: true }, options);
  t.match(await hashed(), { state: "complete", checksum: recorded.checksum, silentlyCorrupted: true });
  t.match(JSON.parse(readFileSync(`${path}.checksum`, "utf8")), {
    silently_corrupted: true,
    checksum: recorded.checksum,
  });
  // A write in between is no rot.
  await utimes(path, 0, 0);
  await calls.snapshotHash({ snapshotName: "a" }, options);
  t.match(await hashed(), { state: "complete", checksum, silentlyCorrupted: false });
  t.match(await calls.snapshotHashLockState({}, options), { isLocked: false });
});

t.test("one sync agent of a node hashes at a time, and a job that waits can be cancelled", async (t) => {
  const directory = scratch(t);
  await makeSparse(join(directory, A), MIB, [[0, BLOCK]]);
  const hashLockPath = join(directory, "locks", "hash");
  mkdirSync(join(directory, "locks"));
  const holder = await open(hashLockPath, "w");
  const { lockFile } = await import("../../native/index.js");
  t.ok(lockFile(holder.fd));
  const { calls } = await serveAgent(t, directory, { hashLockPath });
  t.match(await calls.snapshotHashLockState({}, options), { isLocked: true });
  await calls.snapshotHash({ snapshotName: "a" }, options);
  t.match(await calls.snapshotHashStatus({ snapshotName: "a" }, options), { state: "in_progress" });
  await calls.snapshotHashCancel({ snapshotName: "a" }, options);
  const end = await until(
    () => calls.snapshotHashStatus({ snapshotName: "a" }, options),
    ({ state }) => state !== "in_progress",
  );
  t.match(end, { state: "error", error: "hashing was cancelled" });
  await calls.snapshotHashCancel({ snapshotName: "unknown" }, options);
  await holder.close();
  t.match(await calls.snapshotHashLockState({}, options), { isLocked: false });
});

t.test("backups are said to be unsupported", async (t) => {
  const { calls } = await serveAgent(t, scratch(t));
  const code = status.UNIMPLEMENTED;
  await t.rejects(calls.backupCreate({}, options), { code, message: /not supported yet/ });
  await t.rejects(calls.backupRestore({}, options), { code });
  t.match(await calls.restoreStatus({}, options), { isRestoring: false, state: "", lastRestored: "" });
});

/** A sync agent two ports above its replica, as every caller takes for granted. @returns the replica's address */
async function sourceWithReplica(t: Parameters<typeof serveAgent>[0], directory: string): Promise<string> {
  const { serveSyncAgent } = await import("./server.js");
  const { silent } = await import("./testing.js");
  for (;;) {
    const replicaAddress = await serveDirectory(t, directory, { volumeName: "origin" });
    const port = Number(replicaAddress.split(":")[1]) + 2;
    const facts = { directory, replicaAddress, volumeName: "origin", instanceName: undefined };
    const rest = {
      ports: null,
      backingFile: null,
      purging: null,
      whileRead: null,
      rateLimit: null,
      limitsRate: null,
      hashLockPath: null,
    };
    try {
      const agent = await serveSyncAgent({ ...facts, ...rest }, "127.0.0.1", port, silent);
      t.teardown(() => agent.stop());
      return replicaAddress;
    } catch {
      // Somebody has that port: another pair is tried.
    }
  }
}

/** First bytes of the blocks of a chain of full-size files, the newest last. */
function mergedBytes(directory: string, chain: readonly string[]): number[] {
  const result = Array.from({ length: 16 }, () => 0);
  for (const name of chain) {
    const bytes = readFileSync(join(directory, name));
    for (const i of result.keys())
      result[i] = bytes[i * BLOCK] === 0 ? (result[i] ?? 0) : (bytes[i * BLOCK] ?? 0);
  }
  return result;
}
