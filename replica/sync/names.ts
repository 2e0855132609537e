/** Which files of a replica directory the sync agent touches for others: data files, their metas and checksums, and
 * those of a restore. Nothing else, and nothing outside the directory, can be named. */
import { META_SUFFIX } from "../disk-meta.js";
import { HEAD_NAME, isSnapshotName, snapshotFile, snapshotName } from "../disk-names.js";
import { NAME_BYTES_MAX } from "./limits.js";

const SYNCED_NAME = /^volume-[^/\0]+$/;

/** Behind a file's name while it is being received, see `received-file.ts`. */
export const RECEIVING_SUFFIX = ".receiving";

/** @throws {Error} naming it */
export function checkFileName(name: string): string {
  const fits = SYNCED_NAME.test(name) && Buffer.byteLength(name) <= NAME_BYTES_MAX;
  if (!fits || name.endsWith(RECEIVING_SUFFIX)) throw new Error(`invalid file name ${JSON.stringify(name)}`);
  return name;
}

/** The same for a file that is sent or changed: what the replica is writing to is nobody else's.
 * @throws {Error} naming it */
export function checkQuietFileName(name: string): string {
  checkFileName(name);
  if (HEAD_NAME.test(name)) throw new Error(`${name} is the head: it is in use`);
  return name;
}

export function isDataFile(name: string): boolean {
  return name.endsWith(".img");
}

export function isMetaFile(name: string): boolean {
  return name.endsWith(META_SUFFIX);
}

/** The data file that a meta tells of; any other file is itself. */
export function dataFileOf(name: string): string {
  return isMetaFile(name) ? name.slice(0, -META_SUFFIX.length) : name;
}

/** @param name bare, or a snapshot's file name: Longhorn's clients say either
 * @throws {Error} naming it */
export function snapshotFileOf(name: string): string {
  if (name === "") throw new Error("snapshot name is required");
  const bare = snapshotName(name) ?? name;
  if (!isSnapshotName(bare)) throw new Error(`invalid snapshot name ${JSON.stringify(name)}`);
  return snapshotFile(bare);
}
