/** Objects of a small cluster, as controllers would have made them. */
import type { NewResource } from "../../objects/resource.js";
import type { Backend } from "../backend.js";

const TIME = "2026-01-01T00:00:00Z";
const GIB = 2 ** 30;

const condition = (type: string, status = "True", reason = "") => ({ type, status, reason, message: "", lastProbeTime: "", lastTransitionTime: TIME }); // prettier-ignore

export const NODES = ["node-1", "node-2", "node-3"];

export function newNode(name: string): NewResource<"Node"> {
  return {
    kind: "Node",
    name,
    spec: {
      name,
      allowScheduling: true,
      tags: ["fast", name],
      disks: {
        main: { allowScheduling: true, diskDriver: "", diskType: "filesystem", evictionRequested: false, path: "/var/lib/longhorn", storageReserved: GIB, tags: ["nvme"] }, // prettier-ignore
      },
    },
    status: {
      zone: `zone-of-${name}`,
      conditions: [condition("Ready"), condition("Schedulable")],
      diskStatus: {
        main: { diskName: "main", diskPath: "/var/lib/longhorn", diskType: "filesystem", diskDriver: "", diskUUID: `disk-of-${name}`, filesystemType: "ext4", instanceManagerName: "", conditions: [condition("Ready"), condition("Schedulable")], scheduledBackingImage: {}, scheduledReplica: {}, storageAvailable: 80 * GIB, storageMaximum: 100 * GIB, storageScheduled: 0 }, // prettier-ignore
      },
    },
  };
}

export async function addNodes({ store }: Pick<Backend, "store">): Promise<void> {
  for (const name of NODES) await store.create(newNode(name));
  await store.create({
    kind: "InstanceManager",
    name: "im-1",
    spec: { nodeID: "node-1", type: "aio", dataEngine: "v1" },
    status: { ip: "10.0.0.1", currentState: "running", instances: {} },
  });
}

/** What controllers do for a volume that was made and has a ticket for node-1. */
export async function attach({ store }: Pick<Backend, "store">, name: string): Promise<void> {
  const volume = await store.get("Volume", name);
  if (volume === null) throw new Error(`no volume ${name}`);
  const { size } = volume.spec;
  const modes: Record<string, string> = {};
  for (const [i, node] of NODES.slice(0, volume.spec.numberOfReplicas).entries()) {
    const replica = `${name}-r-${i}`;
    modes[replica] = "RW";
    await store.create({
      kind: "Replica",
      name: replica,
      spec: { active: true, volumeName: name, volumeSize: size, nodeID: node, diskID: `disk-of-${node}`, diskPath: "/var/lib/longhorn", dataDirectoryName: `${name}-${i}`, healthyAt: TIME, lastHealthyAt: TIME, desireState: "running" }, // prettier-ignore
      status: { currentState: "running", ip: `10.0.0.${i + 1}`, storageIP: `10.0.0.${i + 1}`, port: 10000 },
    });
  }
  await store.create({
    kind: "Engine",
    name: `${name}-e-0`,
    spec: { volumeName: name, volumeSize: size, nodeID: "node-1", frontend: "blockdev", desireState: "running", dataEngine: "v1", replicaAddressMap: Object.fromEntries(Object.keys(modes).map((replica, i) => [replica, `10.0.0.${i + 1}:10000`])) }, // prettier-ignore
    status: {
      currentState: "running",
      currentSize: size,
      endpoint: `/dev/longhorn/${name}`,
      replicaModeMap: modes,
      snapshots: {
        "volume-head": { name: "volume-head", parent: "", children: {}, labels: {}, removed: false, usercreated: false, created: TIME, size: "8192" }, // prettier-ignore
      },
      rebuildStatus: { "tcp://10.0.0.2:10000": { isRebuilding: true, progress: 40, state: "in_progress", error: "", fromReplicaAddress: "tcp://10.0.0.1:10000", appliedRebuildingMBps: 0 } }, // prettier-ignore
      purgeStatus: {
        "tcp://10.0.0.1:10000": { isPurging: false, progress: 100, state: "complete", error: "" },
      },
    },
  });
  volume.spec.nodeID = "node-1";
  const wished = await store.update(volume);
  Object.assign(wished.status, {
    state: "attached",
    robustness: "healthy",
    currentNodeID: "node-1",
    ownerID: "node-1",
    conditions: [condition("Scheduled"), condition("TooManySnapshots", "False")],
  });
  await store.updateStatus(wished);
}
