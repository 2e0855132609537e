/**
 * Snapshot, in two parts. `prepareSnapshot` makes all files beside the live ones and harms nobody who writes meanwhile;
 * `commitSnapshot` is one rename. Until then the directory reads as before, and opening it undoes what was prepared.
 *
 * The old head's data get the snapshot's name by a hard link: the file itself is never copied, moved or written.
 */
import { join } from "node:path";
import type { ReplicaDirectory } from "../directory.js";
import {
  CHECKSUM_SUFFIX,
  formatDiskMeta,
  headMeta,
  META_SUFFIX,
  type DiskMeta,
  type Labels,
} from "../disk-meta.js";
import { isSnapshotName, snapshotFile } from "../disk-names.js";
import { ASIDE_SUFFIX, replaceInCache, statOrNull } from "../durable-file.js";
import { diskFiles, type Files } from "../files.js";
import { CHAIN_FILES_MAX } from "../limits.js";
import { ReplicaError, systemError } from "../replica-error.js";
import { snapshotCount } from "../usage.js";
import { formatVolumeMeta } from "../volume-meta.js";
import { commitHead, createHead, dropDisk, nextHead, readyHead, undo, volumeMetaWith, type NewHead } from "./new-head.js"; // prettier-ignore

export interface SnapshotRequest {
  /** bare */
  name: string;
  userCreated: boolean;
  /** RFC 3339, seconds, UTC */
  created: string;
  labels: Labels | null;
  /** bytes of the new head; null: as the present one */
  size: number | null;
}

/** As they are stored: Longhorn writes null where there are none. */
export function labelsOf(labels: Labels): Labels | null {
  return Object.keys(labels).length === 0 ? null : labels;
}

export interface PreparedSnapshot {
  /** data file name of the snapshot */
  file: string;
  meta: DiskMeta;
  head: NewHead;
  oldHead: string;
}

/** A prepared snapshot that failed and was undone, or could not be undone. */
export class SnapshotError extends ReplicaError {
  constructor(
    readonly reason: ReplicaError,
    /** null: all is as it was */
    readonly undoing: Error | null,
  ) {
    const text = undoing === null ? "" : `; and undoing it failed: ${undoing.message}`;
    super(reason.code, `${reason.message}${text}`, { cause: reason });
  }
}

/** @param countMax snapshots that are not marked as removed, of all branches
 * @throws {ReplicaError} `REFUSED` */
export function checkSnapshot(directory: ReplicaDirectory, request: SnapshotRequest, countMax: number): void {
  const { disks, damaged, chain } = directory;
  const refuse = (text: string) => new ReplicaError("REFUSED", text);
  if (!isSnapshotName(request.name))
    throw refuse(`${JSON.stringify(request.name)} cannot be a snapshot's name`);
  // One more file would make a chain that nobody opens.
  if (snapshotCount(directory) >= countMax || chain.length >= CHAIN_FILES_MAX) throw refuse(`too many active disks: ${chain.length}`); // prettier-ignore
  const file = snapshotFile(request.name);
  if (disks.has(file) || damaged.has(file)) throw refuse(`snapshot ${file} is already existing`);
}

/** Makes and syncs all files of a snapshot. Nothing reads or writes them before the commit.
 * @throws {ReplicaError} as `checkSnapshot`; {SnapshotError} */
export async function prepareSnapshot(
  directory: ReplicaDirectory,
  request: SnapshotRequest,
  countMax: number,
  files: Files = diskFiles,
): Promise<PreparedSnapshot> {
  checkSnapshot(directory, request, countMax);
  const { path, meta: volume, disks } = directory;
  const old = disks.get(volume.head);
  if (old === undefined)
    throw new ReplicaError("DAMAGED", `${path}: failed to find metadata for ${volume.head}`);
  const file = snapshotFile(request.name);
  await checkNameFree(join(path, file));

  const { userCreated, created, labels } = request;
  const meta = { ...old, removed: false, userCreated, created, labels };
  const head = {
    file: await nextHead(directory),
    meta: headMeta(file, created),
    size: request.size ?? volume.size,
  };
  const text = formatVolumeMeta(volumeMetaWith(volume, head));
  try {
    await createHead(path, head, files);
    await files.unlink(join(path, file + CHECKSUM_SUFFIX)); // of a snapshot that had the name before
    await files.unlink(join(path, file)); // free, or without data
    await files.link(join(path, volume.head), join(path, file));
    // Longhorn leaves the name which the file had as the head.
    await replaceInCache(join(path, file + META_SUFFIX), formatDiskMeta(volume.head, meta), files);
    await readyHead(path, text, files);
  } catch (error) {
    const reason = systemError(error, "snapshot", path);
    if (reason.code === "REFUSED") throw reason;
    throw new SnapshotError(reason, await undo(path, [file, head.file], files));
  }
  return { file, meta, head: { ...head, text }, oldHead: volume.head };
}

/** Takes away what stood in the way of the metas of a snapshot that failed as a whole, as Longhorn does: it may be asked for again. */
export async function clearWay(
  directory: ReplicaDirectory,
  name: string,
  files: Files = diskFiles,
): Promise<void> {
  for (const file of [snapshotFile(name), await nextHead(directory)])
    await files.removeTree(join(directory.path, file + META_SUFFIX + ASIDE_SUFFIX));
}

// A data file without a meta is nobody's, but it may hold what somebody looks for.
async function checkNameFree(path: string): Promise<void> {
  const found = await statOrNull(path);
  if (found !== null && found.blocks !== 0) {
    throw new ReplicaError("REFUSED", `${path} is there without its ${META_SUFFIX} file, and holds data`);
  }
}

/** The point of no return. No write may reach the old head after it began.
 * @returns the directory as it is then
 * @throws {SnapshotError} it is undone; {ReplicaError} `UNCERTAIN` */
export async function commitSnapshot(
  directory: ReplicaDirectory,
  prepared: PreparedSnapshot,
  files: Files = diskFiles,
): Promise<ReplicaDirectory> {
  const { file, head, oldHead } = prepared;
  let meta;
  try {
    meta = await commitHead(directory, head, files);
  } catch (error) {
    const reason = systemError(error, "snapshot", directory.path);
    if (reason.code === "UNCERTAIN") throw reason;
    throw new SnapshotError(reason, await abandonSnapshot(directory, prepared, files));
  }
  const disks = new Map(directory.disks);
  disks.delete(oldHead);
  disks.set(file, prepared.meta);
  disks.set(head.file, head.meta);
  return { ...directory, meta, disks, chain: [head.file, file, ...directory.chain.slice(1)] };
}

/** Takes the old head's name away from what is now the snapshot's file. */
export async function finishSnapshot(
  path: string,
  { oldHead }: PreparedSnapshot,
  files: Files = diskFiles,
): Promise<void> {
  try {
    await dropDisk(path, oldHead, files);
    await files.syncDirectory(path);
  } catch (error) {
    throw systemError(error, "remove the old head in", path);
  }
}

/** Undoes a prepared snapshot.
 * @returns what went wrong, null when all is as it was */
export function abandonSnapshot(
  { path }: ReplicaDirectory,
  { file, head }: PreparedSnapshot,
  files: Files = diskFiles,
): Promise<Error | null> {
  return undo(path, [file, head.file], files);
}
