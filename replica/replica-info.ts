/** A replica as Longhorn's `Replica` message tells it. */
import { join } from "node:path";
import type { DiskInfo, Replica } from "../proto/longhorn.js";
import { childrenByParent } from "./chain.js";
import type { ReplicaDirectory } from "./directory.js";
import type { SnapshotSettings } from "./open.js";
import { allocatedBytes, fileUsage, snapshotBytes, snapshotCount } from "./usage.js";
import { SECTOR_BYTES, type VolumeMeta } from "./volume-meta.js";

export type LonghornState = "initial" | "closed" | "open" | "dirty" | "rebuilding" | "error";

/** Longhorn's rule which of the states of an open replica is named. */
export function stateOf({
  error,
  rebuilding,
  dirty,
}: Pick<VolumeMeta, "error" | "rebuilding" | "dirty">): LonghornState {
  if (error !== "") return "error";
  if (rebuilding) return "rebuilding";
  return dirty ? "dirty" : "open";
}

/** What a replica that is not open tells: no disks, no counts.
 * @param meta null: there is none, or it cannot be read */
export function closedInfo(state: LonghornState, meta: VolumeMeta | null): Partial<Replica> {
  if (meta === null) return { state, size: "0" };
  return {
    state,
    dirty: meta.dirty,
    rebuilding: meta.rebuilding,
    head: meta.head,
    parent: meta.parent,
    size: String(meta.size),
    sectorSize: SECTOR_BYTES,
    backingFile: meta.backingFilePath,
  };
}

/** @param revision null: no counter is kept
 * @param backingFile absolute path of the one in use, or null
 * @throws {ReplicaError} a file of a disk is gone */
export async function openInfo(
  directory: ReplicaDirectory,
  dirty: boolean,
  settings: SnapshotSettings,
  revision: number | null,
  backingFile: string | null,
): Promise<Partial<Replica>> {
  const { error, rebuilding, head: headName, parent, size, backingFilePath } = directory.meta;
  const backing = backingFile ?? backingFilePath;
  const sizes = await allocatedBytes(directory);
  const head = await fileUsage(join(directory.path, headName));
  const count = snapshotCount(directory);
  const disks = disksOf(directory, sizes);
  if (backing !== "") disks[backing] = await backingDisk(backing);
  return {
    dirty,
    rebuilding,
    head: headName,
    parent,
    size: String(size),
    sectorSize: SECTOR_BYTES,
    backingFile: backing,
    state: stateOf({ error, rebuilding, dirty }),
    chain: directory.chain.filter((name) => directory.disks.get(name)?.removed !== true),
    disks,
    remainSnapshots: settings.countMax - count,
    snapshotCountUsage: count,
    snapshotCountTotal: Object.keys(disks).length,
    snapshotSizeUsage: snapshotBytes(directory, sizes),
    revisionCounter: revision ?? 0,
    revisionCounterDisabled: revision === null,
    // Nanoseconds since 1970 are beyond what a number holds exactly; what is compared are seconds.
    lastModifyTime: Number(head.modifiedNs),
    headFileSize: head.allocatedBytes,
    unmapMarkDiskChainRemoved: settings.unmapMarksRemoved,
  };
}

function disksOf(directory: ReplicaDirectory, sizes: ReadonlyMap<string, number>): Record<string, DiskInfo> {
  const children = childrenByParent(directory);
  const disks: Record<string, DiskInfo> = {};
  for (const [name, disk] of directory.disks) {
    disks[name] = {
      name,
      parent: disk.parent,
      children: Object.fromEntries((children.get(name) ?? []).map((child) => [child, true])),
      removed: disk.removed,
      userCreated: disk.userCreated,
      created: disk.created,
      size: String(sizes.get(name) ?? 0),
      labels: { ...disk.labels },
    };
  }
  return disks;
}

async function backingDisk(path: string): Promise<DiskInfo> {
  const { allocatedBytes } = await fileUsage(path);
  return { name: path, parent: "", children: {}, removed: false, userCreated: false, created: "", size: String(allocatedBytes), labels: {} }; // prettier-ignore
}
