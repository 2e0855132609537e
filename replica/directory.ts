/**
 * A replica directory in Longhorn's format: opened without changing anything, and damage named rather than repaired.
 * Only `volume.meta` is ever rewritten here.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { chainFrom } from "./chain.js";
import { META_SUFFIX, parseDiskMeta, type DiskMeta } from "./disk-meta.js";
import { ASIDE_SUFFIX, readWholeFile, replaceFile } from "./durable-file.js";
import { DIRECTORY_ENTRIES_MAX, META_BYTES_MAX } from "./limits.js";
import { LOCK_NAME } from "./lock.js";
import { ReplicaError, systemError } from "./replica-error.js";
import { formatVolumeMeta, parseVolumeMeta, VOLUME_META, withDirty, type VolumeMeta } from "./volume-meta.js";

export interface ReplicaDirectory {
  path: string;
  meta: VolumeMeta;
  /** all branches, by data file name */
  disks: ReadonlyMap<string, DiskMeta>;
  /** data file names, head first */
  chain: readonly string[];
  /** what an interrupted operation left behind: ignored, never deleted */
  leftovers: readonly string[];
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

async function listNames(path: string): Promise<string[]> {
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
  const { meta, names } = found;
  const disks = await readDiskMetas(path, names);
  const chain = chainFrom(meta.head, disks, path);
  for (const name of chain) await checkDataFile(join(path, name), name === meta.head, meta.size);
  return { path, meta, disks, chain, leftovers: leftoversOf(names, disks) };
}

async function readDiskMetas(path: string, names: string[]): Promise<Map<string, DiskMeta>> {
  const disks = new Map<string, DiskMeta>();
  for (const name of names.filter((name) => name.endsWith(META_SUFFIX) && name !== VOLUME_META)) {
    const metaPath = join(path, name);
    disks.set(
      name.slice(0, -META_SUFFIX.length),
      parseDiskMeta(await readWholeFile(metaPath, META_BYTES_MAX), metaPath),
    );
  }
  return disks;
}

async function checkDataFile(path: string, isHead: boolean, volumeSize: number): Promise<void> {
  let found;
  try {
    found = await stat(path);
  } catch (error) {
    throw systemError(error, "find data file", path);
  }
  if (!found.isFile()) throw new ReplicaError("FOREIGN", `${path} is not a plain file`);
  // A snapshot from before an expansion is shorter; nothing is ever longer than the volume.
  const fits = isHead ? found.size === volumeSize : found.size <= volumeSize;
  if (!fits)
    throw new ReplicaError("SIZE_MISMATCH", `${path} has ${found.size} bytes, the volume ${volumeSize}`);
}

function leftoversOf(names: string[], disks: ReadonlyMap<string, DiskMeta>): string[] {
  const present = new Set(names);
  const withoutMeta = names.filter((name) => name.endsWith(".img") && !disks.has(name));
  const withoutData = [...disks.keys()]
    .filter((name) => !present.has(name))
    .map((name) => name + META_SUFFIX);
  return [...names.filter(isAside), ...withoutMeta, ...withoutData].sort();
}

/** Durably sets the flag that says whether the directory is in use. */
export async function setDirty(directory: ReplicaDirectory, dirty: boolean): Promise<ReplicaDirectory> {
  if (directory.meta.dirty === dirty) return directory;
  const meta = withDirty(directory.meta, dirty);
  await replaceFile(join(directory.path, VOLUME_META), formatVolumeMeta(meta));
  return { ...directory, meta };
}
