/** Marking a snapshot as removed: it stays until a purge, but may not be reverted to. */
import { join } from "node:path";
import type { ReplicaDirectory } from "../directory.js";
import { formatDiskMeta, META_SUFFIX } from "../disk-meta.js";
import { snapshotFile } from "../disk-names.js";
import { replaceFile } from "../durable-file.js";
import { diskFiles, type Files } from "../files.js";
import { ReplicaError } from "../replica-error.js";

/** @param name of the data file, or bare
 * @returns its data file name; null when there is no such disk */
export function resolveDisk({ disks }: ReplicaDirectory, name: string): string | null {
  if (disks.has(name)) return name;
  return disks.has(snapshotFile(name)) ? snapshotFile(name) : null;
}

/** An unknown disk is fine: it may have been removed already.
 * @param name of the data file, or bare
 * @returns the directory as it is then
 * @throws {ReplicaError} `REFUSED` for the head; nothing was changed */
export async function markRemoved(
  directory: ReplicaDirectory,
  name: string,
  files: Files = diskFiles,
): Promise<ReplicaDirectory> {
  const file = resolveDisk(directory, name);
  const disk = file === null ? undefined : directory.disks.get(file);
  if (file === null || disk === undefined) return directory;
  if (file === directory.meta.head)
    throw new ReplicaError("REFUSED", "cannot mark the active differencing disk as removed");
  if (disk.removed) return directory;
  const meta = { ...disk, removed: true };
  await replaceFile(join(directory.path, file + META_SUFFIX), formatDiskMeta(file, meta), files);
  return { ...directory, disks: new Map(directory.disks).set(file, meta) };
}
