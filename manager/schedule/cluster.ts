/** Nodes and disks as placement sees them: what each could take, and why it takes nothing. */
import { isFalse, isTrue } from "../objects/conditions.js";
import type { Condition } from "../objects/fields.js";
import { bytesOf } from "../objects/bytes.js";
import { isDeleted, type Resource } from "../objects/resource.js";
import type { SettingValues } from "../settings/settings.js";

export interface Cluster {
  /** sorted by name */
  nodes: ClusterNode[];
  rules: SpaceRules;
  /** volumes without a selector may use what has tags */
  emptyNodeSelectorTakesAll: boolean;
  emptyDiskSelectorTakesAll: boolean;
}

export interface SpaceRules {
  /** percent of a disk, without what is reserved, that may be promised */
  overProvisioning: number;
  /** percent of a disk that has to be free */
  minimalAvailable: number;
}

export interface ClusterNode {
  name: string;
  /** "": nodes that name none are one zone */
  zone: string;
  tags: string[];
  /** why nothing is placed there; null: something may be */
  refusal: string | null;
  /** what is there has to go elsewhere */
  evicting: boolean;
  /** sorted by name */
  disks: Disk[];
}

export interface Disk {
  name: string;
  uuid: string;
  path: string;
  tags: string[];
  /** "ext4", "xfs", ...; "" when it is not known */
  filesystem: string;
  /** bytes, as all of these */
  maximum: number;
  available: number;
  reserved: number;
  /** nominal sizes of the replicas there, summed up */
  scheduled: number;
  /** of any volume */
  replicaCount: number;
  refusal: string | null;
  /** its node's agent says that it cannot be used */
  isLost: boolean;
  evicting: boolean;
}

/** @param replicas of all volumes: what is placed is promised, whatever the nodes have noticed of it yet */
export function clusterOf(
  nodes: readonly Resource<"Node">[],
  replicas: readonly Resource<"Replica">[],
  settings: SettingValues,
): Cluster {
  return {
    nodes: nodes
      .filter((node) => !isDeleted(node))
      .map((node) => clusterNode(node, replicas, settings))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    rules: {
      overProvisioning: settings.number("storage-over-provisioning-percentage"),
      minimalAvailable: settings.number("storage-minimal-available-percentage"),
    },
    emptyNodeSelectorTakesAll: settings.flag("allow-empty-node-selector-volume"),
    emptyDiskSelectorTakesAll: settings.flag("allow-empty-disk-selector-volume"),
  };
}

function clusterNode(
  { metadata, spec, status }: Resource<"Node">,
  replicas: readonly Resource<"Replica">[],
  settings: SettingValues,
): ClusterNode {
  const disks = Object.entries(spec.disks).map(([name, disk]): Disk => {
    const found = status.diskStatus[name];
    const uuid = found?.diskUUID ?? "";
    const there = replicas.filter((replica) => uuid !== "" && replica.spec.diskID === uuid);
    return {
      name,
      uuid,
      path: disk.path,
      tags: disk.tags,
      filesystem: found?.filesystemType ?? "",
      maximum: found?.storageMaximum ?? 0,
      available: found?.storageAvailable ?? 0,
      reserved: disk.storageReserved,
      scheduled: there.reduce((sum, { spec: { volumeSize } }) => sum + bytesOf(volumeSize), 0),
      replicaCount: there.length,
      refusal: diskRefusal(disk, found),
      isLost: found?.conditions.some(isLoss) ?? false,
      evicting: disk.evictionRequested,
    };
  });
  return {
    name: metadata.name,
    zone: status.zone,
    tags: spec.tags,
    refusal: nodeRefusal(spec, status.conditions, settings),
    evicting: spec.evictionRequested || status.autoEvicting,
    disks: disks.sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** A disk's node says that it cannot be used; not only that the node is away. */
export function isLoss({ type, status, reason }: Condition): boolean {
  return type === "Ready" && status === "False" && reason !== "NodeNotReady";
}

/** Whether a replica could come to the node, whatever it is and however large. What settings refuse besides does not count. */
export function takesReplicas({ spec, status }: Resource<"Node">): boolean {
  const isWanted = spec.allowScheduling && !spec.evictionRequested;
  return (
    isWanted &&
    Object.entries(spec.disks).some(([name, disk]) => diskRefusal(disk, status.diskStatus[name]) === null)
  );
}

function nodeRefusal(
  { allowScheduling, evictionRequested }: Resource<"Node">["spec"],
  conditions: readonly Condition[],
  settings: SettingValues,
): string | null {
  if (!isTrue(conditions, "Ready")) return `the node is not ready${because(conditions, "Ready")}`;
  if (!allowScheduling) return "scheduling is switched off for the node";
  if (evictionRequested) return "the node is evicted";
  if (settings.flag("disable-scheduling-on-cordoned-node") && isFalse(conditions, "Schedulable"))
    return `the node takes no replicas${because(conditions, "Schedulable")}`;
  return null;
}

function diskRefusal(
  { allowScheduling, evictionRequested, diskType, path }: Resource<"Node">["spec"]["disks"][string],
  found: Resource<"Node">["status"]["diskStatus"][string] | undefined,
): string | null {
  // What is known may be of one that had its name before, elsewhere.
  if (found === undefined || found.diskUUID === "" || found.diskPath !== path)
    return "the disk was not looked at yet";
  const { conditions } = found;
  if (!isTrue(conditions, "Ready")) return `the disk is not ready${because(conditions, "Ready")}`;
  if (!allowScheduling) return "scheduling is switched off for the disk";
  if (evictionRequested) return "the disk is evicted";
  if (diskType === "block") return "the disk is a block device, for v2 volumes";
  if (isFalse(conditions, "Schedulable"))
    return `the disk takes no replicas${because(conditions, "Schedulable")}`;
  return null;
}

function because(conditions: readonly Condition[], type: string): string {
  const { reason = "", message = "" } = conditions.find((condition) => condition.type === type) ?? {};
  const text = [reason, message].filter((part) => part !== "").join(", ");
  return text === "" ? "" : `: ${text}`;
}
