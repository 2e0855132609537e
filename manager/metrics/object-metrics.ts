/** What objects say, as gauges: read when somebody asks. Names and labels are Longhorn's. Facts: manager.md section 20. */
import { Gauge, type Registry } from "prom-client";
import type { Condition } from "../objects/fields.js";
import { isDeleted, type Resource } from "../objects/resource.js";
import { bytesOf } from "../objects/bytes.js";
import { snapshotName } from "../snapshot/name.js";
import type { Store } from "../store/store.js";

export const VOLUME_LABELS = ["node", "volume", "pvc", "pvc_namespace"] as const;
const VOLUME_STATES = ["", "creating", "attached", "detached", "attaching", "detaching", "deleting"];
const ROBUSTNESS = ["unknown", "healthy", "degraded", "faulted"];
const INSTANCE_STATES = ["running", "stopped", "error", "starting", "stopping", "unknown"];
const CONDITION_LABELS = ["condition", "condition_reason"] as const;

type Objects = Awaited<ReturnType<typeof readObjects>>;
type Labels = Record<string, string>;
/** A row of a gauge: its labels and its value. */
type Row = readonly [labels: Labels, value: number];

interface Metric {
  name: string;
  help: string;
  labels: readonly string[];
  rows: (objects: Objects) => Row[];
}

/** Registers all of them. One read of the store serves all of a scrape: they are collected together. */
export function registerObjectMetrics(registry: Registry, store: Store): void {
  let reading: Promise<Objects> | null = null;
  const read = () => {
    reading ??= readObjects(store).finally(() => (reading = null));
    return reading;
  };
  for (const { name, help, labels, rows } of METRICS)
    new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers: [registry],
      async collect() {
        const objects = await read();
        this.reset();
        for (const [row, value] of rows(objects)) this.set(row, value);
      },
    });
}

async function readObjects(store: Store) {
  const [volumes, engines, replicas, nodes, snapshots, instanceManagers] = await Promise.all([
    store.list("Volume"),
    store.list("Engine"),
    store.list("Replica"),
    store.list("Node"),
    store.list("Snapshot"),
    store.list("InstanceManager"),
  ]);
  return { volumes, engines, replicas, nodes, snapshots, instanceManagers };
}

/** @returns of the node that has the volume, by which Longhorn's dashboards join */
export function volumeLabels({ metadata, status }: Resource<"Volume">): Labels {
  const { pvcName, namespace } = status.kubernetesStatus;
  const node = status.currentNodeID === "" ? status.ownerID : status.currentNodeID;
  return { node, volume: metadata.name, pvc: pvcName, pvc_namespace: namespace };
}

function ofVolumes(name: string, help: string, value: (volume: Resource<"Volume">) => number): Metric {
  return {
    name: `longhorn_volume_${name}`,
    help,
    labels: VOLUME_LABELS,
    rows: ({ volumes }) => volumes.map((volume) => [volumeLabels(volume), value(volume)]),
  };
}

type DiskSum = (disk: {
  spec: Resource<"Node">["spec"]["disks"][string];
  status: Resource<"Node">["status"]["diskStatus"][string] | undefined;
}) => number;

const DISK_VALUES: readonly (readonly [name: string, help: string, value: DiskSum])[] = [
  ["capacity_bytes", "Bytes that there are.", ({ status }) => status?.storageMaximum ?? 0],
  ["usage_bytes", "Bytes that are in use, by whomever.", ({ status }) => (status?.storageMaximum ?? 0) - (status?.storageAvailable ?? 0)], // prettier-ignore
  ["reservation_bytes", "Bytes that are kept for others.", ({ spec }) => spec.storageReserved],
  ["scheduled_bytes", "Bytes that are promised to replicas.", ({ status }) => status?.storageScheduled ?? 0],
];

/** Of single disks there is no number of what is promised. */
const OF_DISKS = DISK_VALUES.filter(([name]) => name !== "scheduled_bytes");

function disksOf({ spec, status }: Resource<"Node">) {
  return Object.entries(spec.disks).map(([name, disk]) => ({
    name,
    disk: { spec: disk, status: status.diskStatus[name] },
  }));
}

function conditionRows(labels: Labels, conditions: readonly Condition[], allowScheduling: boolean): Row[] {
  const shown = conditions.map(({ type, status, reason }): Row => [{ ...labels, condition: type.toLowerCase(), condition_reason: reason }, status === "True" ? 1 : 0]); // prettier-ignore
  return [...shown, [{ ...labels, condition: "allowScheduling", condition_reason: "" }, allowScheduling ? 1 : 0]]; // prettier-ignore
}

function stateRows(labels: Labels, present: string): Row[] {
  const state = present === "" ? "stopped" : present;
  return INSTANCE_STATES.map((one) => [{ ...labels, state: one }, one === state ? 1 : 0]);
}

function engineLabels({ metadata, spec }: Resource<"Engine">): Labels {
  return { engine: metadata.name, volume: spec.volumeName, node: spec.nodeID };
}

function replicaLabels({ metadata, spec }: Resource<"Replica">): Labels {
  return { replica: metadata.name, volume: spec.volumeName, node: spec.nodeID };
}

function rebuildRows({ engines, volumes }: Objects): Row[] {
  return engines.flatMap((engine) =>
    Object.entries(engine.status.rebuildStatus)
      .filter(([, status]) => status.isRebuilding)
      .map(([address, { fromReplicaAddress, progress }]): Row => {
        const volume = volumes.find(({ metadata }) => metadata.name === engine.spec.volumeName);
        const { pvc = "", pvc_namespace = "" } = volume === undefined ? {} : volumeLabels(volume);
        const { node = "", engine: name = "" } = engineLabels(engine);
        return [{ node, engine: name, rebuild_src: fromReplicaAddress, rebuild_dst: address, pvc, pvc_namespace }, progress]; // prettier-ignore
      }),
  );
}

/** What agents see in the machines' tables of mounts. */
function readOnlyRows({ volumes, engines, instanceManagers }: Objects): Row[] {
  const running = Object.assign({}, ...instanceManagers.filter(({ status }) => status.currentState === "running").map(({ status }) => status.instanceEngines)) as Resource<"InstanceManager">["status"]["instanceEngines"]; // prettier-ignore
  const readOnly = engines.filter(({ metadata }) => running[metadata.name]?.status.conditions["FilesystemReadOnly"] === true); // prettier-ignore
  const names = new Set(readOnly.map(({ spec }) => spec.volumeName));
  return volumes
    .filter(({ metadata }) => names.has(metadata.name))
    .map((volume) => [volumeLabels(volume), 1]);
}

const METRICS: readonly Metric[] = [
  ofVolumes("capacity_bytes", "Size of a volume.", ({ spec }) => bytesOf(spec.size)),
  ofVolumes("actual_size_bytes", "Bytes that one replica of a volume has, with its snapshots.", ({ status }) => status.actualSize), // prettier-ignore
  ofVolumes("state", "1 creating, 2 attached, 3 detached, 4 attaching, 5 detaching, 6 deleting, 0 other.", (volume) => Math.max(0, VOLUME_STATES.indexOf(isDeleted(volume) ? "deleting" : volume.status.state || "creating"))), // prettier-ignore
  ofVolumes("robustness", "0 unknown, 1 healthy, 2 degraded, 3 faulted.", ({ status }) => Math.max(0, ROBUSTNESS.indexOf(status.robustness))), // prettier-ignore
  {
    name: "longhorn_volume_file_system_read_only",
    help: "1 for volumes whose file system has become read-only.",
    labels: VOLUME_LABELS,
    rows: readOnlyRows,
  },
  {
    name: "longhorn_engine_info",
    help: "An engine: always 1.",
    labels: ["engine", "volume", "node", "data_engine", "frontend", "image"],
    rows: ({ engines }) => engines.map((engine) => [{ ...engineLabels(engine), data_engine: engine.spec.dataEngine, frontend: engine.spec.frontend, image: engine.spec.image }, 1]), // prettier-ignore
  },
  {
    name: "longhorn_engine_state",
    help: "1 for the state that an engine is in.",
    labels: ["engine", "volume", "node", "state"],
    rows: ({ engines }) => engines.flatMap((one) => stateRows(engineLabels(one), one.status.currentState)),
  },
  {
    name: "longhorn_engine_replica_mode",
    help: "The mode in which an engine has a replica: always 1.",
    labels: ["engine", "volume", "replica", "mode"],
    rows: ({ engines }) =>
      engines.flatMap(
        ({ metadata, spec, status }) =>
        Object.entries(status.replicaModeMap).map(([replica, mode]): Row => [{ engine: metadata.name, volume: spec.volumeName, replica, mode }, 1]), // prettier-ignore
      ),
  },
  {
    name: "longhorn_engine_rebuild_progress",
    help: "Percent of a rebuild that are done.",
    labels: ["node", "engine", "rebuild_src", "rebuild_dst", "pvc", "pvc_namespace"],
    rows: rebuildRows,
  },
  {
    name: "longhorn_replica_info",
    help: "A replica: always 1.",
    labels: ["replica", "volume", "node", "disk_path", "data_engine"],
    rows: ({ replicas }) => replicas.map((one) => [{ ...replicaLabels(one), disk_path: one.spec.diskPath, data_engine: one.spec.dataEngine }, 1]), // prettier-ignore
  },
  {
    name: "longhorn_replica_state",
    help: "1 for the state that a replica is in.",
    labels: ["replica", "volume", "node", "state"],
    rows: ({ replicas }) => replicas.flatMap((one) => stateRows(replicaLabels(one), one.status.currentState)),
  },
  {
    name: "longhorn_snapshot_actual_size_bytes",
    help: "Bytes that a snapshot has by itself.",
    labels: ["snapshot", "volume", "user_created"],
    rows: ({ snapshots }) => snapshots.map((one) => [{ snapshot: snapshotName(one), volume: one.spec.volume, user_created: String(one.status.userCreated) }, one.status.size]), // prettier-ignore
  },
  {
    name: "longhorn_node_count_total",
    help: "Nodes that there are.",
    labels: [],
    rows: ({ nodes }) => [[{}, nodes.length]],
  },
  {
    name: "longhorn_node_status",
    help: "1 for conditions of a node that are true.",
    labels: ["node", ...CONDITION_LABELS],
    rows: ({ nodes }) => nodes.flatMap(({ metadata, spec, status }) => conditionRows({ node: metadata.name }, status.conditions, spec.allowScheduling)), // prettier-ignore
  },
  {
    name: "longhorn_disk_status",
    help: "1 for conditions of a disk that are true.",
    labels: ["node", "disk", ...CONDITION_LABELS],
    rows: ({ nodes }) =>
      nodes.flatMap((node) =>
        disksOf(node).flatMap(
          ({ name, disk }) =>
          conditionRows({ node: node.metadata.name, disk: name }, disk.status?.conditions ?? [], disk.spec.allowScheduling), // prettier-ignore
        ),
      ),
  },
  ...DISK_VALUES.map(([name, help, value]): Metric => ({
    name: `longhorn_node_storage_${name}`,
    help: `${help} Of all disks of a node.`,
    labels: ["node"],
    rows: ({ nodes }) => nodes.map((node) => [{ node: node.metadata.name }, disksOf(node).reduce((sum, { disk }) => sum + value(disk), 0)]), // prettier-ignore
  })),
  ...OF_DISKS.map(([name, help, value]): Metric => ({
    name: `longhorn_disk_${name}`,
    help: `${help} Of a disk.`,
    labels: ["node", "disk"],
    rows: ({ nodes }) => nodes.flatMap((node) => disksOf(node).map(({ name: disk, disk: values }): Row => [{ node: node.metadata.name, disk }, value(values)])), // prettier-ignore
  })),
];
