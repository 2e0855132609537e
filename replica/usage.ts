/** What a directory holds, as Longhorn counts it: files, allocated bytes, snapshots. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { ReplicaDirectory } from "./directory.js";
import { ReplicaError, systemError } from "./replica-error.js";

/** The unit of `st_blocks`, bytes. */
const STAT_BLOCK_BYTES = 512;

/** Snapshots of all branches that are not marked as removed: what the limit on their count is compared with. */
export function snapshotCount({ disks, meta }: Pick<ReplicaDirectory, "disks" | "meta">): number {
  let count = 0;
  for (const [name, disk] of disks) if (!disk.removed && name !== meta.head) count++;
  return count;
}

export interface FileUsage {
  allocatedBytes: number;
  modifiedNs: bigint;
}

/** @throws {ReplicaError} `MISSING`, `IO_ERROR` */
export async function fileUsage(path: string): Promise<FileUsage> {
  try {
    const { blocks, mtimeNs } = await stat(path, { bigint: true });
    return { allocatedBytes: Number(blocks) * STAT_BLOCK_BYTES, modifiedNs: mtimeNs };
  } catch (error) {
    throw systemError(error, "find", path);
  }
}

/** Allocated bytes of every disk, by data file name. Of a branch whose file is gone: none.
 * @throws {ReplicaError} `MISSING` for a file of the live chain, `IO_ERROR` */
export async function allocatedBytes({ path, disks, chain }: ReplicaDirectory): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const name of disks.keys()) {
    try {
      sizes.set(name, (await fileUsage(join(path, name))).allocatedBytes);
    } catch (error) {
      const isGone = error instanceof ReplicaError && error.code === "MISSING";
      if (!isGone || chain.includes(name)) throw error;
    }
  }
  return sizes;
}

/** Allocated bytes of the live chain's snapshots that are not marked as removed: what the limit on their size is for. */
export function snapshotBytes(
  { chain, disks }: ReplicaDirectory,
  sizes: ReadonlyMap<string, number>,
): number {
  const kept = chain.slice(1).filter((name) => disks.get(name)?.removed === false);
  return kept.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
}
