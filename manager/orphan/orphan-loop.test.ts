import t, { type Test } from "tap";
import type { Resource } from "../objects/resource.js";
import { OperationError } from "../operations.js";
import { modify } from "../store/store.js";
import { LoopRig } from "../testing/loops.js";
import { ownLabels } from "../volume/objects.js";
import { startOrphanLoop } from "./orphan-loop.js";

const start = (t: Test, settings: Record<string, string> = {}) => LoopRig.start(t, () => [], settings);

const directory = (name: string, changes: object = {}) => ({ name, hosted: false, size: 4096, ...changes });

const instance = (name: string, type: string) => ({ spec: { name, dataEngine: "v1" as const }, status: { conditions: {}, endpoint: "", errorMsg: "", listen: "", portEnd: 0, portStart: 0, resourceVersion: 0, state: "running", targetPortEnd: 0, targetPortStart: 0, type, ublkID: 0, uuid: "u1" } }); // prettier-ignore

/** The loop looks at what is on the nodes now. */
function look(t: Test, { store, engines, events, log }: LoopRig): { stop: () => Promise<void> } {
  const loop = startOrphanLoop(store, engines, events, log);
  t.teardown(() => loop.stop());
  return loop;
}

async function found({ store }: LoopRig, count: number): Promise<Resource<"Orphan">[]> {
  for (;;) {
    const orphans = await store.list("Orphan");
    if (orphans.length >= count) return orphans;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function only(rig: LoopRig): Promise<Resource<"Orphan">> {
  const [orphan] = await found(rig, 1);
  if (orphan === undefined) throw new Error("no orphan");
  return orphan;
}

t.test("a directory that no object names is an orphan, and goes with its object", async (t) => {
  const rig = await start(t);
  await rig.makeVolume("vol");
  const [replica] = await rig.store.list("Replica", ownLabels("vol"));
  const [witness] = await rig.store.list("Witness", ownLabels("vol"));
  const taken = replica?.spec.dataDirectoryName ?? "";
  rig.engines.directories.set("node-1/main", [
    directory("lost-12345678"),
    directory(taken),
    directory(witness?.spec.dataDirectoryName ?? "none"),
    directory("in-use-12345678", { hosted: true }),
    directory("something-else", { size: 0 }),
  ]);
  look(t, rig);
  const orphan = await only(rig);
  t.match(orphan, {
    metadata: { name: /^orphan-[0-9a-f]{64}$/, labels: { "longhorn.io/component": "orphan", "longhorn.io/orphan-type": "replica", longhornnode: "node-1" } }, // prettier-ignore
    spec: { nodeID: "node-1", orphanType: "replica", parameters: { DataName: "lost-12345678", DiskName: "main", DiskUUID: "disk-of-node-1", DiskPath: "/var/lib/longhorn" } }, // prettier-ignore
  });
  await rig.until("Orphan", orphan.metadata.name, ({ status }) => status.conditions.some(({ type, status }) => type === "DataCleanable" && status === "True")); // prettier-ignore
  t.equal((await rig.store.list("Orphan")).length, 1);
  t.strictSame(rig.engines.asked, []);
  await rig.store.delete("Orphan", orphan.metadata.name);
  await rig.untilGone("Orphan", orphan.metadata.name);
  t.strictSame(rig.engines.asked, ["remove directory node-1/main/lost-12345678"]);
  t.ok(rig.told.includes(`Orphan ${orphan.metadata.name} OrphanCleanupCompleted`));
});

t.test("what becomes somebody's is no orphan any more, also while it is being deleted", async (t) => {
  const rig = await start(t);
  await rig.makeVolume("vol");
  rig.engines.directories.set("node-1/main", [directory("lost-12345678")]);
  look(t, rig);
  const { metadata } = await only(rig);
  const [replica] = await rig.store.list("Replica", ownLabels("vol"));
  await modify(rig.store, "Replica", replica?.metadata.name ?? "", "spec", ({ spec }) => {
    spec.dataDirectoryName = "lost-12345678";
  });
  await rig.store.delete("Orphan", metadata.name);
  await rig.untilGone("Orphan", metadata.name);
  t.strictSame(rig.engines.asked, []);
});

t.test("orphans are deleted by themselves after a while, if the setting says so", async (t) => {
  const rig = await start(t, { "orphan-resource-auto-deletion": "replica-data", "orphan-resource-auto-deletion-grace-period": "600" }); // prettier-ignore
  await rig.makeVolume("new");
  await rig.makeVolume("doubtful");
  await rig.store.create({
    ...{ kind: "Replica", name: "doubtful-r-1", labels: ownLabels("doubtful") },
    spec: { volumeName: "doubtful", active: true, healthyAt: "2030-01-01T00:00:00Z", lastHealthyAt: "2030-01-01T00:00:00Z", lastFailedAt: "2030-01-01T00:00:01Z" }, // prettier-ignore
  });
  const names = ["lost", "new", "doubtful"];
  rig.engines.directories.set("node-1/main", names.map((name) => directory(`${name}-12345678`))); // prettier-ignore
  look(t, rig);
  const orphans = await found(rig, 3);
  const [lost, last, older] = names.map((name) => orphans.find(({ spec }) => spec.parameters["DataName"] === `${name}-12345678`)?.metadata.name ?? ""); // prettier-ignore
  await rig.until("Orphan", lost ?? "", ({ status }) => status.conditions.length > 0);
  t.strictSame(rig.engines.asked, []);
  await rig.set("orphan-resource-auto-deletion-grace-period", "0");
  await rig.untilGone("Orphan", lost ?? "");
  t.ok(await rig.store.get("Orphan", last ?? ""), "the volume has no other copy");
  t.ok(
    await rig.store.get("Orphan", older ?? ""),
    "the other copy has failed since it was whole, and may be behind",
  );
  t.strictSame(rig.engines.asked, ["remove directory node-1/main/lost-12345678"]);
});

t.test("on a node that is away, or is evicted, only the object goes", async (t) => {
  const rig = await start(t);
  rig.engines.directories.set("node-1/main", [directory("lost-12345678")]);
  look(t, rig);
  const { metadata } = await only(rig);
  await modify(rig.store, "Node", "node-1", "spec", ({ spec }) => {
    Object.assign(spec, { allowScheduling: false, evictionRequested: true });
  });
  await rig.store.delete("Orphan", metadata.name);
  await rig.untilGone("Orphan", metadata.name);
  t.strictSame(rig.engines.asked, []);
});

t.test("of a node that was removed the objects go, and what is there stays", async (t) => {
  const settings = { "orphan-resource-auto-deletion": "replica-data;instance", "orphan-resource-auto-deletion-grace-period": "600" }; // prettier-ignore
  const rig = await start(t, settings);
  rig.engines.directories.set("node-1/main", [directory("lost-12345678")]);
  await modify(rig.store, "InstanceManager", "im-1", "status", ({ status }) => {
    status.instanceReplicas = { "gone-r-0": instance("gone-r-0", "replica") };
  });
  const first = look(t, rig);
  const orphans = await found(rig, 2);
  await first.stop();
  await rig.set("orphan-resource-auto-deletion-grace-period", "0");
  await rig.store.delete("Node", "node-1");
  look(t, rig);
  for (const { metadata } of orphans) await rig.untilGone("Orphan", metadata.name);
  t.strictSame(rig.engines.asked, []);
  t.equal(rig.engines.directories.get("node-1/main")?.length, 1);
});

t.test("processes that no object names are orphans; what fails is told and tried again", async (t) => {
  const rig = await start(t);
  await rig.makeVolume("vol");
  await modify(rig.store, "InstanceManager", "im-1", "status", ({ status }) => {
    status.instanceEngines = { "vol-e-0": instance("vol-e-0", "engine"), "gone-e-0": instance("gone-e-0", "engine") }; // prettier-ignore
  });
  rig.engines.removals.push(new OperationError("FAILED", "busy"));
  look(t, rig);
  const orphan = await only(rig);
  t.match(orphan, { spec: { orphanType: "engine-instance", parameters: { InstanceName: "gone-e-0", InstanceUUID: "u1", InstanceManager: "im-1" } }, metadata: { labels: { longhornengine: "gone-e-0" } } }); // prettier-ignore
  await rig.store.delete("Orphan", orphan.metadata.name);
  await rig.untilGone("Orphan", orphan.metadata.name);
  t.ok(rig.told.includes(`Orphan ${orphan.metadata.name} Error`));
  t.ok(rig.engines.asked.includes("remove instance gone-e-0 on node-1"));
  t.equal((await rig.store.list("Orphan")).length, 0);
});
