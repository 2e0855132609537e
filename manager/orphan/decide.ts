/** What is done about orphans of a node: objects for what is found, and an end of those that somebody, or a setting, deletes. Pure. */
import { noted, isTrue } from "../objects/conditions.js";
import { isDeleted, type NewResource, type Resource } from "../objects/resource.js";
import type { SettingValues } from "../settings/settings.js";
import { parseTime } from "../volume/time.js";
import { formatTime } from "../../engine/timestamp.js";
import {
  dataOrphan,
  instanceOrphan,
  orphanedDirectories,
  type FoundInstance,
  type Named,
  type ScannedDisk,
} from "./found.js";

type Orphan = Resource<"Orphan">;

export interface OrphanWorld {
  /** ms since 1970 */
  now: number;
  /** null: it is no node any more */
  node: Resource<"Node"> | null;
  /** that could be looked at now */
  disks: readonly ScannedDisk[];
  /** of the node's agent; null: it cannot be reached */
  instances: { manager: string; found: readonly FoundInstance[] } | null;
  named: Named;
  /** volumes that are there, and have no whole replica: what is left of one may be all that there is */
  withoutCopy: ReadonlySet<string>;
  /** of this node */
  orphans: readonly Orphan[];
  settings: SettingValues;
}

export interface OrphanPlan {
  created: NewResource<"Orphan">[];
  /** with the conditions that they have to have */
  orphans: Orphan[];
  /** that nobody has deleted: it is gone, somebody's again, or has been there long enough */
  deleted: Orphan[];
  /** deleted: what they stand for has to go, and then their object */
  cleaned: Orphan[];
  /** deleted: only their object goes */
  released: Orphan[];
}

type Finding = { is: "there"; reason: string } | { is: "gone" } | { is: "unreachable"; reason: string };

const DATA = "replica";

export function decideOrphans(world: OrphanWorld): OrphanPlan {
  const plan: OrphanPlan = { created: [], orphans: [], deleted: [], cleaned: [], released: [] };
  const known = new Set(world.orphans.map(({ metadata }) => metadata.name));
  for (const orphan of structuredClone(world.orphans)) decideOne(world, plan, orphan);
  plan.created = found(world).filter(({ name }) => !known.has(name));
  return plan;
}

function found({ node, disks, instances, named }: OrphanWorld): NewResource<"Orphan">[] {
  if (node === null) return [];
  const { name } = node.metadata;
  const data = disks.flatMap((disk) =>
    orphanedDirectories(disk, named).map((directory) => dataOrphan(name, disk, directory)),
  );
  if (instances === null) return data;
  const { manager, found } = instances;
  return [
    ...data,
    ...found.filter((one) => !named.instances.has(one.name)).map((one) => instanceOrphan(name, manager, one)),
  ];
}

function decideOne(world: OrphanWorld, plan: OrphanPlan, orphan: Orphan): void {
  const isData = orphan.spec.orphanType === DATA;
  const finding = isData ? findDirectory(world, orphan) : findInstance(world, orphan);
  if (isDeleted(orphan)) {
    if (finding.is === "there") plan.cleaned.push(orphan);
    else plan.released.push(orphan);
    return;
  }
  const { conditions } = orphan.status;
  const condition = {
    type: isData ? "DataCleanable" : "InstanceExist",
    status: finding.is === "there" ? "True" : "False",
    reason: finding.is === "gone" ? "" : finding.reason,
    message: "",
  };
  orphan.status.conditions = noted(condition, conditions, formatTime(world.now));
  orphan.status.ownerID = orphan.spec.nodeID;
  plan.orphans.push(orphan);
  if (finding.is === "gone" || (finding.is === "there" && isDue(world, orphan, isData)))
    plan.deleted.push(orphan);
}

/** It is as old as it has to be for being deleted by itself, if it is of a sort that is. */
function isDue(
  { settings, now, withoutCopy }: OrphanWorld,
  { metadata, spec }: Orphan,
  isData: boolean,
): boolean {
  const volume = (spec.parameters["DataName"] ?? "").replace(/-[0-9a-f]{8}$/, "");
  if (isData && withoutCopy.has(volume)) return false;
  const sorts = settings.text("orphan-resource-auto-deletion").split(";").map((sort) => sort.trim()); // prettier-ignore
  const grace = settings.number("orphan-resource-auto-deletion-grace-period") * 1_000;
  return sorts.includes(isData ? "replica-data" : "instance") && now >= parseTime(metadata.creationTimestamp) + grace; // prettier-ignore
}

/** Whether a directory is there, nobody's, and may be removed: where there is doubt it stays. */
function findDirectory({ node, disks, named }: OrphanWorld, { spec }: Orphan): Finding {
  const { DataName = "", DiskName = "", DiskUUID = "" } = spec.parameters;
  // What is on a node that was removed is not ours to look after.
  if (node === null || named.directories.has(DataName)) return { is: "gone" };
  const away = (reason: string): Finding => ({ is: "unreachable", reason });
  if (!isTrue(node.status.conditions, "Ready")) return away("NodeUnavailable");
  if (node.spec.evictionRequested) return away("NodeEvicted");
  const disk = node.spec.disks[DiskName];
  const scanned = disks.find(({ name }) => name === DiskName);
  if (disk?.evictionRequested === true) return away("DiskEvicted");
  if (disk !== undefined && scanned !== undefined && scanned.uuid !== DiskUUID) return away("DiskChanged");
  if (disk === undefined || scanned === undefined) return away("DiskInvalid");
  const isThere = orphanedDirectories(scanned, named).includes(DataName);
  return isThere ? { is: "there", reason: "" } : { is: "gone" };
}

function findInstance({ node, instances, named }: OrphanWorld, { spec }: Orphan): Finding {
  const { InstanceName = "", InstanceUUID = "" } = spec.parameters;
  if (node === null || named.instances.has(InstanceName)) return { is: "gone" };
  if (instances === null) return { is: "unreachable", reason: "NodeUnavailable" };
  const one = instances.found.find(({ name, uuid }) => name === InstanceName && uuid === InstanceUUID);
  return one === undefined ? { is: "gone" } : { is: "there", reason: one.state };
}
