/** Looks for what no object names on each node, and removes what somebody wants removed. */
import type { Logger } from "pino";
import { Loop } from "../control/loop.js";
import { errorText } from "../../proto/rpc-error.js";
import { tellAs, type Events, type Tell } from "../events/events.js";
import { isTrue } from "../objects/conditions.js";
import type { Resource } from "../objects/resource.js";
import type { NodeOperations } from "../operations.js";
import { loadSettings } from "../settings/stored.js";
import { letGo, StoreError, type Store } from "../store/store.js";
import { isSalvaging } from "../volume/forced-salvage.js";
import { isWholeBeyondDoubt } from "../volume/replica-rules.js";
import { decideOrphans, type OrphanWorld } from "./decide.js";
import { instancesOf, namedBy, type ScannedDisk } from "./found.js";
import { RESCAN_MS, SCAN_PERIOD_MS } from "./limits.js";

type Orphan = Resource<"Orphan">;

const SETTINGS = new Set(["orphan-resource-auto-deletion", "orphan-resource-auto-deletion-grace-period"]);

export function startOrphanLoop(store: Store, nodes: NodeOperations, events: Events, log: Logger): Loop {
  const tell = tellAs(events, "longhorn-orphan-controller");
  const loop = new Loop("orphan", store, (node) => reconcile(store, nodes, tell, node, log), log);
  const all = async () => (await store.list("Node")).map(({ metadata }) => metadata.name);
  // Nodes change all the time; they are looked at in turn.
  const seen = new Set<string>();
  return loop
    .follow("Node", ({ metadata: { name } }) => {
      if (seen.has(name)) return [];
      seen.add(name);
      return [name];
    })
    .follow("Orphan", ({ spec }) => [spec.nodeID])
    .follow("Setting", ({ metadata }) => (SETTINGS.has(metadata.name) ? all() : []));
}

async function reconcile(
  store: Store,
  nodes: NodeOperations,
  tell: Tell,
  name: string,
  log: Logger,
): Promise<number | null> {
  const world = await observe(store, nodes, name, log);
  const plan = decideOrphans(world);
  for (const object of plan.created)
    await store.create(object).catch((error: unknown) => {
      if (!(error instanceof StoreError) || error.code !== "EXISTS") throw error;
    });
  for (const orphan of plan.orphans) await store.updateStatus(orphan);
  for (const { metadata } of plan.deleted) await store.delete("Orphan", metadata.name, metadata.uid);
  for (const orphan of plan.released) await release(store, orphan);
  for (const orphan of plan.cleaned) await clean(store, nodes, tell, orphan);
  if (world.node === null) return null;
  return Date.now() + (world.isComplete ? SCAN_PERIOD_MS : RESCAN_MS);
}

/** First what is there, then whose it is: what somebody has made in between is his. */
async function observe(
  store: Store,
  nodes: NodeOperations,
  name: string,
  log: Logger,
): Promise<OrphanWorld & Scan> {
  const node = await store.get("Node", name);
  const isReady = node !== null && isTrue(node.status.conditions, "Ready");
  const found = isReady ? await scan(nodes, node, log) : { disks: [], isComplete: false };
  const managers = isReady ? await store.list("InstanceManager") : [];
  const manager = managers.find(({ spec, status }) => spec.nodeID === name && status.currentState === "running"); // prettier-ignore
  return {
    now: Date.now(),
    node,
    ...found,
    instances: manager === undefined ? null : { manager: manager.metadata.name, found: instancesOf(manager) },
    named: await named(store),
    withoutCopy: await volumesWithoutCopy(store),
    orphans: (await store.list("Orphan")).filter(({ spec }) => spec.nodeID === name),
    settings: await loadSettings(store),
  };
}

async function named(store: Store) {
  return namedBy(await store.list("Engine"), [...(await store.list("Replica")), ...(await store.list("Witness"))]); // prettier-ignore
}

async function volumesWithoutCopy(store: Store): Promise<Set<string>> {
  // One that failed, and was only named to count again, may not be what an engine starts from.
  const whole = (await store.list("Replica")).filter(isWholeBeyondDoubt);
  const safe = new Set(whole.map(({ spec }) => spec.volumeName));
  // What a salvage is to be had from has not been proved yet.
  const without = (await store.list("Volume")).filter(
    (one) => isSalvaging(one) || !safe.has(one.metadata.name),
  );
  return new Set(without.map(({ metadata }) => metadata.name));
}

interface Scan {
  disks: ScannedDisk[];
  /** all that could be looked at were: an agent that is not reached yet may be soon */
  isComplete: boolean;
}

async function scan(nodes: NodeOperations, node: Resource<"Node">, log: Logger): Promise<Scan> {
  const disks: ScannedDisk[] = [];
  let isComplete = true;
  for (const [name, { path }] of Object.entries(node.spec.disks)) {
    const found = node.status.diskStatus[name];
    if (found === undefined || found.diskUUID === "" || !isTrue(found.conditions, "Ready")) continue;
    const uuid = found.diskUUID;
    try {
      const directories = await nodes.replicaDirectories(node.metadata.name, name, uuid);
      disks.push({ name, path, uuid, directories });
    } catch (err) {
      isComplete = false;
      log.debug({ err, node: node.metadata.name, disk: name }, "not looked at");
    }
  }
  return { disks, isComplete };
}

/** Whose it is is looked at once more: it may have become somebody's while others were cleaned. */
async function clean(store: Store, nodes: NodeOperations, tell: Tell, orphan: Orphan): Promise<void> {
  const { nodeID, parameters } = orphan.spec;
  const { DataName = "", DiskName = "", DiskUUID = "", InstanceName = "", InstanceUUID = "" } = parameters;
  const now = await named(store);
  try {
    if (DataName !== "" && !now.directories.has(DataName))
      await nodes.removeReplicaDirectory(nodeID, DiskName, DiskUUID, DataName);
    if (InstanceName !== "" && !now.instances.has(InstanceName))
      await nodes.removeInstance(nodeID, InstanceName, InstanceUUID);
  } catch (error) {
    tell(orphan, { type: "Warning", reason: "Error", message: errorText(error) });
    throw error;
  }
  tell(orphan, { type: "Normal", reason: "OrphanCleanupCompleted", message: `${DataName}${InstanceName} of node ${nodeID} is removed` }); // prettier-ignore
  await release(store, orphan);
}

async function release(store: Store, { metadata }: Orphan): Promise<void> {
  const present = await store.get("Orphan", metadata.name);
  if (present?.metadata.uid !== metadata.uid) return;
  await letGo(store, present);
}
