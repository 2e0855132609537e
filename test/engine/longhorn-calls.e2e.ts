/** Every call of Longhorn's engine interface, by a client that is generated from the facts about it, on real processes: what it
 * does and what it refuses, as `engine.md` has it in the sections named here. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { GeneratedClient, type Fields, type Service } from "../longhorn/generated-client.js";
import { waitFor } from "../tools/process.js";
import { LonghornCluster, type Node } from "./longhorn-cluster.js";

const SIZE = 8 << 20;
const WAIT_MS = 60_000;
const CREATED = "2026-01-02T03:04:05Z";
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const client = new GeneratedClient();

/** One server, as a test sees it. */
class Server {
  constructor(
    private readonly t: Test,
    private readonly service: Service,
    private readonly address: string,
  ) {}

  /** @param expected of the reply, whatever else it holds */
  async answers(rpc: string, fields: Fields = {}, expected: Fields = {}): Promise<Fields> {
    const { code, details, reply } = await client.call(this.service, this.address, rpc, fields);
    this.t.equal(`${code} ${details}`, "OK ", `${rpc} ${JSON.stringify(fields)}`);
    this.t.match(reply, expected, rpc);
    return reply;
  }

  async refuses(rpc: string, fields: Fields, text: string | RegExp, code = "UNKNOWN"): Promise<void> {
    const answer = await client.call(this.service, this.address, rpc, fields);
    this.t.match(answer, { code, details: text }, `${rpc} ${JSON.stringify(fields)}`);
  }

  /** 2.1 */
  async knowsItself(rpc: string, role: string): Promise<void> {
    const wrong = { "volume-name": "another" };
    const answer = await client.call(this.service, this.address, rpc, {}, wrong);
    const details = `incorrect volume name another; check ${role} address`;
    this.t.match(answer, { code: "FAILED_PRECONDITION", details });
  }
}

const addressOf = ({ address }: Node): string => address.slice("tcp://".length);

function replicaOf(t: Test, node: Node): Server {
  return new Server(t, "ReplicaService", addressOf(node));
}

/** 1: two ports above the replica's. */
function syncAgentOf(t: Test, node: Node): Server {
  const [host = "", port = ""] = addressOf(node).split(":");
  return new Server(t, "SyncAgentService", `${host}:${Number(port) + 2}`);
}

function clusterFor(t: Test): LonghornCluster {
  const cluster = new LonghornCluster(SIZE);
  t.teardown(() => cluster.end());
  return cluster;
}

t.test("a replica that is closed (7.10)", async (t) => {
  const node = await clusterFor(t).addNode();
  const replica = replicaOf(t, node);
  await replica.knowsItself("ReplicaGet", "replica");
  const closed = { state: "closed", size: String(SIZE), sector_size: "512", head: "volume-head-000.img", chain: [] }; // prettier-ignore
  await replica.answers("ReplicaGet", {}, { replica: closed });
  await replica.answers("ReplicaCreate", { size: "4096" });
  const before = readdirSync(node.directory).sort();
  await replica.answers("ReplicaClose");
  await replica.answers("ReplicaReload");
  await replica.answers("ReplicaRevert", { name: "volume-snap-x.img", created: CREATED });
  await replica.answers("ReplicaSnapshot", { name: "x", created: CREATED });
  await replica.answers("ReplicaExpand", { size: 2 * SIZE });
  await replica.answers("DiskRemove", { name: "volume-snap-x.img" });
  await replica.answers("DiskReplace", { target: "volume-snap-x.img", source: "volume-snap-y.img" });
  await replica.answers("DiskMarkAsRemoved", { name: "x" });
  await replica.answers("DiskPrepareRemove", { name: "x" }, { operations: [] });
  await replica.answers("RevisionCounterSet", { counter: 7 });
  await replica.answers("ReplicaDelete");
  await replica.answers("SnapshotMaxCountSet", { count: 200 });
  await replica.answers("SnapshotMaxSizeSet", { size: 0 });
  await replica.answers("UnmapMarkDiskChainRemovedSet", { enabled: false });
  await replica.refuses(
    "RebuildingSet",
    { rebuilding: true },
    "cannot set rebuilding=true from state closed",
  );
  t.strictSame(readdirSync(node.directory).sort(), before, "nothing was done");
  await replica.answers("ReplicaGet", {}, { replica: closed });
});

t.test("a replica that is open (4.6, 7.10)", async (t) => {
  const node = await clusterFor(t).addNode();
  const replica = replicaOf(t, node);
  await replica.answers("ReplicaOpen", {}, { replica: { state: "open", chain: ["volume-head-000.img"] } });
  await replica.refuses("ReplicaOpen", {}, "replica is already open");

  await replica.refuses("ReplicaSnapshot", { created: CREATED }, "cannot accept empty snapshot name");
  await replica.refuses("ReplicaSnapshot", { name: "s1" }, "need to specific created time");
  const [s1, s2] = ["volume-snap-s1.img", "volume-snap-s2.img"];
  const taken = { name: "s1", user_created: true, created: CREATED, labels: { colour: "red" } };
  await replica.answers("ReplicaSnapshot", taken, { replica: { head: "volume-head-001.img", parent: s1 } });
  await replica.refuses("ReplicaSnapshot", taken, `snapshot ${s1} is already existing`);
  await replica.answers("ReplicaSnapshot", { ...taken, name: "s2", labels: {} });
  const disks = {
    [s1]: { name: s1, parent: "", children: { [s2]: true }, user_created: true, created: CREATED, labels: { colour: "red" } }, // prettier-ignore
    [s2]: { name: s2, parent: s1, removed: false, size: "0" },
  };
  const chain = ["volume-head-002.img", s2, s1];
  await replica.answers("ReplicaGet", {}, { replica: { chain, disks, snapshot_count_usage: 2, snapshot_count_total: 3 } }); // prettier-ignore

  await replica.refuses("DiskMarkAsRemoved", { name: "volume-head-002.img" }, /cannot mark the active/);
  await replica.refuses("DiskPrepareRemove", { name: "s1" }, `disk ${s1} hasn't been marked as removed`);
  await replica.refuses("DiskPrepareRemove", { name: "volume-head-002.img" }, "cannot delete the active differencing disk"); // prettier-ignore
  await replica.answers("DiskPrepareRemove", { name: "nobody" }, { operations: [] });
  await replica.answers("DiskMarkAsRemoved", { name: "s1" });
  await replica.answers("DiskMarkAsRemoved", { name: s2 });
  const merge = [{ action: "coalesce", source: s1, target: s2 }, { action: "replace", source: s1, target: s2 }]; // prettier-ignore
  await replica.answers("DiskPrepareRemove", { name: s1 }, { operations: merge });
  const prune = [{ action: "prune", source: s2, target: "volume-head-002.img" }];
  await replica.answers("DiskPrepareRemove", { name: "s2" }, { operations: prune });
  await replica.answers("DiskReplace", { target: s2, source: s1 });
  t.notOk(existsSync(join(node.directory, s1)));
  await replica.refuses("DiskRemove", { name: "volume-head-002.img" }, /cannot delete the active/);

  await replica.answers("ReplicaSnapshot", { ...taken, name: "s3" });
  await replica.refuses("ReplicaRevert", { created: CREATED }, "cannot accept empty snapshot name");
  await replica.refuses("ReplicaRevert", { name: "volume-snap-s3.img" }, "need to specific created time");
  await replica.answers("ReplicaRevert", { name: "volume-snap-s3.img", created: CREATED }, { replica: { head: "volume-head-004.img", parent: "volume-snap-s3.img" } }); // prettier-ignore
  await replica.answers("DiskRemove", { name: s2, force: true });

  await replica.refuses(
    "ReplicaExpand",
    { size: SIZE - 4096 },
    /cannot expand replica to a smaller size/,
    "INTERNAL",
  );
  await replica.answers("ReplicaExpand", { size: SIZE });
  await replica.answers("ReplicaExpand", { size: SIZE + 4096 }, { replica: { size: String(SIZE + 4096) } });

  await replica.answers("RevisionCounterSet", { counter: 7 });
  await replica.answers("SnapshotMaxCountSet", { count: 100 });
  await replica.answers("SnapshotMaxSizeSet", { size: 1 << 30 });
  await replica.answers("UnmapMarkDiskChainRemovedSet", { enabled: true });
  await replica.answers("RebuildingSet", { rebuilding: true }, { replica: { state: "rebuilding" } });
  await replica.answers("RebuildingSet", { rebuilding: false }, { replica: { rebuilding: false } });
  await replica.answers("ReplicaReload");
  const { replica: found } = await replica.answers("ReplicaGet", {}, { replica: { revision_counter: "7", unmap_mark_disk_chain_removed: true } }); // prettier-ignore
  const { remain_snapshots: remain, snapshot_count_usage: usage } = found as Record<string, number>;
  t.equal(remain, 100 - (usage ?? 0));
  await replica.answers("ReplicaClose", {}, { replica: { state: "closed" } });
  await replica.answers("ReplicaOpen");
  await replica.answers("ReplicaDelete");
  t.notOk(existsSync(join(node.directory, "volume.meta")));
});

t.test("an engine and its replicas (7.1 to 7.9, 8)", async (t) => {
  const cluster = clusterFor(t);
  const [first, second, third] = [await cluster.addNode(), await cluster.addNode(), await cluster.addNode()];
  const { url } = await cluster.startEngine([first, second]);
  const engine = new Server(t, "ControllerService", url);
  await engine.knowsItself("VolumeGet", "controller");
  const up = { name: "test-vol", size: String(SIZE), replicaCount: 2, frontend: "tgt-iscsi", frontendState: "up", isExpanding: false, last_expansion_error: "" }; // prettier-ignore
  await engine.answers("VolumeGet", {}, up);
  await engine.answers("VolumeStart", { replicaAddresses: [third.address], size: SIZE, currentSize: SIZE }, up); // prettier-ignore
  await engine.answers("VersionDetailGet", {}, { version: { cliAPIVersion: /^1[0-2]$/, controllerAPIVersion: /^[56]$/, dataFormatVersion: "1" } }); // prettier-ignore
  await engine.answers("MetricsGet", {}, { metrics: { readIOPS: /^\d+$/, writeLatency: /^\d+$/ } });
  await engine.answers("JournalList", { limit: 1 });
  await engine.refuses("VolumeIO", { type: "read", length: 512 }, /VolumeIO/, "UNIMPLEMENTED");
  await engine.answers("ReplicaRebuildConcurrentSyncLimitSet", { limit: 2 });
  await engine.answers("ReplicaRebuildConcurrentSyncLimitGet", {}, { limit: 2 });

  // 7.6, 7.7
  await engine.answers("VolumeSnapshot", { name: "c1", labels: { a: "b" } }, { name: "c1" });
  await engine.refuses("VolumeSnapshot", { name: "c1" }, /snapshot (.*) is already existing/);
  await engine.answers("VolumeSnapshot", {}, { name: UUID });
  await engine.refuses("VolumeRevert", { name: "c1" }, "volume frontend enabled, aborting snapshot revert");
  await engine.refuses("VolumeFrontendStart", { frontend: "socket" }, "frontend tgt-iscsi is already started, cannot be set as socket"); // prettier-ignore
  await engine.answers("VolumeFrontendShutdown", {}, { frontendState: "down" });
  await engine.refuses("VolumeRevert", { name: "nobody" }, /cannot do revert since the target snapshot nobody is not found/); // prettier-ignore
  await engine.answers("VolumeRevert", { name: "c1" });
  await engine.answers("VolumeFrontendStart", { frontend: "tgt-iscsi" }, { frontendState: "up" });

  // 7.6, 7.8
  await engine.refuses("VolumeSnapshotMaxCountSet", { count: 1 }, /cannot set snapshotMaxCount=1/);
  await engine.answers("VolumeSnapshotMaxCountSet", { count: 50 }, { snapshot_max_count: 50 });
  await engine.answers("VolumeSnapshotMaxSizeSet", { size: 1 << 30 }, { snapshot_max_size: String(1 << 30) });
  await engine.answers("VolumeUnmapMarkSnapChainRemovedSet", { enabled: true }, { unmap_mark_snap_chain_removed: true }); // prettier-ignore
  await engine.answers("VolumeUnmapMarkSnapChainRemovedSet", { enabled: false });
  await engine.refuses("VolumeExpand", { size: SIZE + 512 }, /4096/);
  await engine.refuses("VolumeExpand", { size: SIZE - 4096 }, /smaller/);
  await engine.answers("VolumeExpand", { size: SIZE });
  await engine.answers("VolumeExpand", { size: 2 * SIZE });
  const grown = () => client.call("ControllerService", url, "VolumeGet");
  await waitFor("the volume to grow", WAIT_MS, async () =>
    (await grown()).reply["size"] === String(2 * SIZE) ? true : undefined,
  );
  await engine.answers("VolumeGet", {}, { isExpanding: false, last_expansion_error: "" });

  // 7.4, as an outside caller does it
  const [address, unknown] = [third.address, { address: "tcp://127.0.0.1:1" }];
  const added = replicaOf(t, third);
  await added.answers("ReplicaOpen");
  await added.answers("ReplicaExpand", { size: 2 * SIZE });
  await added.answers("ReplicaClose");
  const create = { address, snapshot_required: true, mode: "WO" };
  const writeOnly = { address: { address }, mode: "WO" };
  await engine.answers("ControllerReplicaCreate", create, writeOnly);
  await engine.answers("ControllerReplicaCreate", create, writeOnly);
  const fourth = await cluster.addNode();
  await engine.refuses("ControllerReplicaCreate", { ...create, address: fourth.address }, "can only have one WO replica at a time"); // prettier-ignore
  await added.answers("RebuildingSet", { rebuilding: true });
  await engine.refuses(
    "ReplicaPrepareRebuild",
    unknown,
    "replica tcp://127.0.0.1:1 is not in the list",
    "NOT_FOUND",
  );
  const { sync_file_info_list: list } = await engine.answers("ReplicaPrepareRebuild", { address });
  t.match(list, [{ from_file_name: "volume-snap-c1.img", to_file_name: "volume-snap-c1.img" }]);
  const agent = syncAgentOf(t, third);
  await agent.knowsItself("Reset", "replica");
  await agent.answers("FilesSync", { from_address: first.address, to_host: "127.0.0.1", sync_file_info_list: list, file_sync_http_client_timeout: 5 }); // prettier-ignore
  await agent.answers("ReplicaRebuildStatus", {}, { is_rebuilding: false, state: "complete", progress: 100, error: "" }); // prettier-ignore
  await added.answers("ReplicaReload");
  await engine.refuses(
    "ReplicaVerifyRebuild",
    unknown,
    "replica tcp://127.0.0.1:1 is not in the list",
    "NOT_FOUND",
  );
  await engine.answers("ReplicaVerifyRebuild", { address }, { mode: "RW" });
  await added.answers("RebuildingSet", { rebuilding: false });

  // 7.5
  await engine.answers("ReplicaList", {}, { replicas: [first, second, third].map((node) => ({ address: { address: node.address }, mode: "RW" })) }); // prettier-ignore
  await engine.answers("ReplicaGet", { address }, { address: { address }, mode: "RW" });
  await engine.refuses("ReplicaGet", unknown, "replica tcp://127.0.0.1:1 is not in the list", "NOT_FOUND");
  await engine.refuses("ReplicaUpdate", { ...writeOnly, mode: "WO" }, /cannot set to mode WO/);
  await engine.answers("ReplicaUpdate", { ...writeOnly, mode: "ERR" }, { mode: "ERR" });
  await engine.answers("ReplicaUpdate", { ...writeOnly, mode: "RW" }, { mode: "ERR" });
  await engine.refuses(
    "ReplicaUpdate",
    { address: unknown, mode: "ERR" },
    "replica tcp://127.0.0.1:1 is not in the list",
    "NOT_FOUND",
  );
  await engine.answers("ReplicaDelete", { address });
  await engine.answers("ReplicaDelete", unknown);

  // 8
  const source = syncAgentOf(t, first);
  await source.answers("SnapshotHash", { snapshot_name: "c1", rehash: false });
  const status = async (rpc: string, fields: Fields = {}) => {
    const [host = "", port = ""] = addressOf(first).split(":");
    const { reply } = await client.call("SyncAgentService", `${host}:${Number(port) + 2}`, rpc, fields);
    return reply["state"] === "complete" ? true : undefined;
  };
  await waitFor("the hash", WAIT_MS, () => status("SnapshotHashStatus", { snapshot_name: "c1" }));
  await source.answers("SnapshotHashStatus", { snapshot_name: "c1" }, { checksum: "c0551c7f2227c9f8", error: "", silently_corrupted: false }); // prettier-ignore
  await source.answers("SnapshotHashCancel", { snapshot_name: "c1" });
  await source.answers("SnapshotHashLockState", {}, { is_locked: false });
  await source.answers("SnapshotPurge");
  await waitFor("the purge", WAIT_MS, () => status("SnapshotPurgeStatus"));
  await source.answers("SnapshotPurgeStatus", {}, { is_purging: false, error: "", progress: 100 });
  await source.answers("SnapshotCloneStatus", {}, { is_cloning: false, state: "" });
  await source.answers("RestoreStatus", {}, { is_restoring: false, state: "" });
  for (const call of ["BackupCreate", "BackupRemove", "BackupRestore", "BackupStatus"])
    await source.refuses(call, {}, /backup/i, "UNIMPLEMENTED");
  await source.answers("Reset");
  await source.answers("SnapshotPurgeStatus", {}, { state: "", progress: 0 });

  // 7.9
  await engine.answers("VolumeShutdown", {}, { replicaCount: 0, frontendState: "down" });
  await engine.answers("VolumeStart", { replicaAddresses: [first.address, second.address], size: 2 * SIZE, currentSize: 2 * SIZE }, { replicaCount: 2 }); // prettier-ignore
});

t.test("files from one replica to another, and a copy of a snapshot (6, 8.4)", async (t) => {
  const cluster = clusterFor(t);
  const [from, to] = [await cluster.addNode(), await cluster.addNode()];
  for (const node of [from, to]) await replicaOf(t, node).answers("ReplicaOpen");
  await replicaOf(t, from).answers("ReplicaSnapshot", { name: "s1", user_created: true, created: CREATED });
  const [source, target] = [syncAgentOf(t, from), syncAgentOf(t, to)];
  const file = "volume-snap-s1.img";
  const host = "127.0.0.1";
  const receive = async (name: string) => {
    const { port } = await target.answers("ReceiverLaunch", { to_file_name: name });
    t.ok(Number(port) > 0);
    return { host, port, file_sync_http_client_timeout: 5 };
  };
  await source.answers("FileSend", { from_file_name: file, ...(await receive("volume-snap-sent.img")) });
  t.equal(statSync(join(to.directory, "volume-snap-sent.img")).size, SIZE);
  await target.answers("FileRename", {
    old_file_name: "volume-snap-sent.img",
    new_file_name: "volume-snap-renamed.img",
  });
  t.ok(existsSync(join(to.directory, "volume-snap-renamed.img")));
  await target.answers("FileRemove", { file_name: "volume-snap-renamed.img" });
  t.notOk(existsSync(join(to.directory, "volume-snap-renamed.img")));
  await target.refuses("FileRename", { old_file_name: "volume-snap-nobody.img", new_file_name: "volume-snap-x.img" }, /no such file or directory/); // prettier-ignore
  await source.answers("VolumeExport", {
    snapshot_file_name: file,
    ...(await receive("volume-snap-exported.img")),
  });
  t.equal(statSync(join(to.directory, "volume-snap-exported.img")).size, SIZE);
  await target.answers("SnapshotClone", { from_address: from.address, to_host: host, snapshot_file_name: file, from_volume_name: "test-vol", file_sync_http_client_timeout: 5 }); // prettier-ignore
  await target.answers("SnapshotCloneStatus", {}, { is_cloning: false, state: "complete", progress: 100, snapshot_name: "s1" }); // prettier-ignore
  await replicaOf(t, to).answers("ReplicaGet", {}, { replica: { parent: file } });
});

t.test("no call was left out", (t) => {
  t.strictSame(client.left, []);
  t.end();
});
