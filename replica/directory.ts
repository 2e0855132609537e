/**
 * A replica directory in Longhorn's format: opened without changing anything, and damage named rather than repaired.
 * Damage outside the live chain does not keep a volume from being served, but nothing is removed beside it.
 * Only `volume.meta` is ever rewritten here.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { chainFrom } from "./chain.js";
import { META_SUFFIX, parseDiskMeta, type DiskMeta } from "./disk-meta.js";
import { ASIDE_SUFFIX, readWholeFile, replaceFile } from "./durable-file.js";
import { diskFiles, type Files } from "./files.js";
import { DIRECTORY_ENTRIES_MAX, META_BYTES_MAX } from "./limits.js";
import { LOCK_NAME } from "./lock.js";
import { ReplicaError, systemError } from "./replica-error.js";
import { formatVolumeMeta, parseVolumeMeta, VOLUME_META, withChanges, type VolumeMeta } from "./volume-meta.js"; // prettier-ignore

export interface ReplicaDirectory {
  path: string;
  meta: VolumeMeta;
  /** all branches, by data file name; without those that are damaged */
  disks: ReadonlyMap<string, DiskMeta>;
  /** of other branches than the live one, by data file name */
  damaged: ReadonlyMap<string, DamagedDisk>;
  /** data file names, head first */
  chain: readonly string[];
  /** what an interrupted operation left behind: ignored, never deleted */
  leftovers: readonly string[];
}

/** A disk that cannot be used. */
export interface DamagedDisk {
  error: ReplicaError;
  /** null: its meta cannot be read, so it may be anybody's child */
  parent: string | null;
}

/** What lies at a path before anything is opened. */
export type Found =
  | { state: "empty" }
  /** `volume.meta` names no head yet: a creation was interrupted (or is to be done again) */
  | { state: "creating"; meta: VolumeMeta; names: string[] }
  | { state: "volume"; meta: VolumeMeta; names: string[] };

/** @throws {ReplicaError} `MISSING` (no directory), `FOREIGN` (files, but no volume.meta), `DAMAGED` */
export async function lookAt(path: string): Promise<Found> {
  const names = await listNames(path);
  if (!names.includes(VOLUME_META)) {
    // A file system's root is an empty directory, too.
    const others = names.filter((name) => !isAside(name) && name !== LOCK_NAME && name !== "lost+found");
    if (others.length === 0) return { state: "empty" };
    throw new ReplicaError("FOREIGN", `${path} is not a replica directory: ${VOLUME_META} is missing beside ${others.sort().slice(0, 3).join(", ")}`); // prettier-ignore
  }
  const metaPath = join(path, VOLUME_META);
  const meta = parseVolumeMeta(await readWholeFile(metaPath, META_BYTES_MAX), metaPath);
  return { state: meta.head === "" ? "creating" : "volume", meta, names };
}

/** @throws {ReplicaError} */
export async function listNames(path: string): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (error) {
    throw systemError(error, "list", path);
  }
  if (names.length > DIRECTORY_ENTRIES_MAX) {
    throw new ReplicaError("FOREIGN", `${path} is not a replica directory: it has ${names.length} entries`);
  }
  return names;
}

export function isAside(name: string): boolean {
  return name.endsWith(ASIDE_SUFFIX);
}

/** Reads and checks all metadata, and that every data file of the live chain is there with a possible size.
 * @throws {ReplicaError} naming the file */
export async function openDirectory(path: string): Promise<ReplicaDirectory> {
  const found = await lookAt(path);
  if (found.state === "empty")
    throw new ReplicaError("MISSING", `${path} is empty: there is no volume in it`);
  if (found.state === "creating") {
    throw new ReplicaError(
      "DAMAGED",
      `${join(path, VOLUME_META)} names no head: its creation was interrupted`,
    );
  }
  const { names } = found;
  const { disks, damaged } = await readDisks(path, names);
  const chain = chainFrom(found.meta.head, { path, disks, damaged });
  await checkDataFiles(path, chain, found.meta);
  // Which file is the head's parent is told by the head's meta; volume.meta repeats it.
  const parent = disks.get(found.meta.head)?.parent ?? "";
  const meta = found.meta.parent === parent ? found.meta : withChanges(found.meta, { parent });
  return { path, meta, disks, damaged, chain, leftovers: leftoversOf(names, disks, damaged) };
}

async function readDisks(
  path: string,
  names: readonly string[],
): Promise<{ disks: Map<string, DiskMeta>; damaged: Map<string, DamagedDisk> }> {
  const disks = new Map<string, DiskMeta>();
  const damaged = new Map<string, DamagedDisk>();
  const present = new Set(names);
  for (const name of names.filter((name) => name.endsWith(META_SUFFIX) && name !== VOLUME_META)) {
    const metaPath = join(path, name);
    const disk = name.slice(0, -META_SUFFIX.length);
    try {
      const meta = parseDiskMeta(await readWholeFile(metaPath, META_BYTES_MAX), metaPath);
      if (present.has(disk)) disks.set(disk, meta);
      else damaged.set(disk, { error: withoutData(join(path, disk)), parent: meta.parent });
    } catch (error) {
      if (!(error instanceof ReplicaError) || !DAMAGE.has(error.code)) throw error;
      damaged.set(disk, { error, parent: null });
    }
  }
  return { disks, damaged };
}

// What lies in one file. Anything else (a disk that cannot be read) may be wrong with all of them.
const DAMAGE = new Set(["DAMAGED", "FOREIGN", "UNSUPPORTED"]);

function withoutData(path: string): ReplicaError {
  return new ReplicaError(
    "MISSING",
    `cannot find data file ${path}: it is missing beside its ${META_SUFFIX} file`,
  );
}

/** A snapshot from before an expansion is shorter than the volume; but the volume never shrinks. That the oldest was cut off does not
 * show. @param chain the newest first
 * @param volume its size, bytes, and the file that has that very size, if it is in the chain */
export async function checkDataFiles(
  path: string,
  chain: readonly string[],
  volume: { size: number; head: string | null },
): Promise<void> {
  let child: { name: string; size: number } | null = null;
  for (const name of chain) {
    const size = await sizeOfDataFile(join(path, name), name === volume.head, volume.size);
    if (child !== null && child.size < size) {
      const message = `${join(path, child.name)} has ${child.size} bytes, less than ${name}, its parent, with ${size}`;
      throw new ReplicaError("SIZE_MISMATCH", message);
    }
    child = { name, size };
  }
}

async function sizeOfDataFile(path: string, isHead: boolean, volumeSize: number): Promise<number> {
  let found;
  try {
    found = await stat(path);
  } catch (error) {
    throw systemError(error, "find data file", path);
  }
  if (!found.isFile()) throw new ReplicaError("FOREIGN", `${path} is not a plain file`);
  const fits = isHead ? found.size === volumeSize : found.size <= volumeSize;
  if (!fits)
    throw new ReplicaError("SIZE_MISMATCH", `${path} has ${found.size} bytes, the volume ${volumeSize}`);
  return found.size;
}

function leftoversOf(
  names: string[],
  disks: ReadonlyMap<string, DiskMeta>,
  damaged: ReadonlyMap<string, DamagedDisk>,
): string[] {
  const isLeft = (name: string) => isAside(name) || (name.endsWith(".img") && !disks.has(name));
  const metas = [...damaged.keys()].map((name) => name + META_SUFFIX);
  return [...new Set([...names.filter(isLeft), ...metas])].sort();
}

/** Durably changes what volume.meta says. */
export async function changeVolumeMeta(
  directory: ReplicaDirectory,
  changes: Parameters<typeof withChanges>[1],
  files: Files = diskFiles,
): Promise<ReplicaDirectory> {
  const meta = withChanges(directory.meta, changes);
  await replaceFile(join(directory.path, VOLUME_META), formatVolumeMeta(meta), files);
  return { ...directory, meta };
}

/** Durably sets the flag that says whether the directory is in use. */
export async function setDirty(
  directory: ReplicaDirectory,
  dirty: boolean,
  files: Files = diskFiles,
): Promise<ReplicaDirectory> {
  return directory.meta.dirty === dirty ? directory : changeVolumeMeta(directory, { dirty }, files);
}
