/**
 * Creating a volume in an empty directory, in Longhorn's order of steps but each durable before the next:
 * `volume.meta` without a head marks a creation under way, with one it is complete. An interrupted creation is resumed.
 */
import { mkdir, open, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { checkBackingFile } from "./backing-file.js";
import { isAside, lookAt, type Found } from "./directory.js";
import { formatDiskMeta, headMeta, META_SUFFIX } from "./disk-meta.js";
import { headName } from "./disk-names.js";
import { replaceFile, syncDirectory } from "./durable-file.js";
import { LOCK_NAME } from "./lock.js";
import { ReplicaError, systemError } from "./replica-error.js";
import { REVISION_COUNTER } from "./revision-counter.js";
import {
  formatVolumeMeta,
  newVolumeMeta,
  SECTOR_BYTES,
  VOLUME_META,
  withChanges,
  type VolumeMeta,
} from "./volume-meta.js";

const FIRST_HEAD = headName(0);

export interface CreateOptions {
  /** bytes, a multiple of 512; null: nothing may be created */
  size: number | null;
  /** absolute path of a backing file for a new volume, or null */
  backingFile: string | null;
}

/** Makes the directory itself, if need be, so that its name survives a power cut. */
export async function ensureDirectory(path: string): Promise<void> {
  try {
    const first = await mkdir(path, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    for (let made = path; made.length >= first.length; made = dirname(made))
      await syncDirectory(dirname(made));
  } catch (error) {
    throw systemError(await plainReason(error, path), "create directory", path);
  }
}

// Node's recursive mkdir says ENOENT also on a full disk; a plain one says what it is.
async function plainReason(error: unknown, path: string): Promise<unknown> {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") return error;
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (plain) {
    return plain;
  }
  return error;
}

/** Creates the volume when the directory is empty and a size is given; otherwise checks that the sizes agree.
 * @returns whether a volume was created
 * @throws {ReplicaError} `MISSING` (empty, but no size given), `SIZE_MISMATCH`, and what `lookAt` and `checkBackingFile`
 * throw */
export async function createIfEmpty(path: string, { size, backingFile }: CreateOptions): Promise<boolean> {
  const found = await lookAt(path);
  if (size === null) {
    if (found.state === "volume") return false;
    throw new ReplicaError("MISSING", `${path} holds no volume yet: a size is needed to create one`);
  }
  if (size <= 0 || size % SECTOR_BYTES !== 0 || !Number.isSafeInteger(size)) {
    throw new ReplicaError(
      "SIZE_MISMATCH",
      `a volume's size is a positive multiple of ${SECTOR_BYTES} bytes, not ${size}`,
    );
  }
  if (found.state !== "empty" && found.meta.size !== size) {
    throw new ReplicaError(
      "SIZE_MISMATCH",
      `${path} holds a volume of ${found.meta.size} bytes, not ${size}`,
    );
  }
  if (found.state === "volume") return false;
  if (found.state === "creating") await checkResumable(path, found);
  if (backingFile !== null) await checkBackingFile(backingFile, size);
  await create(path, newVolumeMeta(size, backingFile ?? ""));
  return true;
}

async function create(path: string, meta: VolumeMeta): Promise<void> {
  const head = join(path, FIRST_HEAD);
  await replaceFile(join(path, VOLUME_META), formatVolumeMeta(meta));
  try {
    const file = await open(head, "a", 0o644);
    try {
      await file.truncate(meta.size);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw systemError(error, "create", head);
  }
  const created = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  await replaceFile(head + META_SUFFIX, formatDiskMeta(FIRST_HEAD, headMeta("", created))); // syncs the head's name as well
  await replaceFile(join(path, VOLUME_META), formatVolumeMeta(withChanges(meta, { head: FIRST_HEAD })));
}

// Only what a creation makes may be there, and no data: then doing it again harms nothing.
async function checkResumable(path: string, found: Exclude<Found, { state: "empty" }>): Promise<void> {
  const expected = [
    VOLUME_META,
    FIRST_HEAD,
    FIRST_HEAD + META_SUFFIX,
    REVISION_COUNTER,
    LOCK_NAME,
    "lost+found",
  ];
  const strange = found.names.find((name) => !expected.includes(name) && !isAside(name));
  if (strange !== undefined) {
    throw new ReplicaError("DAMAGED", `${join(path, VOLUME_META)} names no head, but ${strange} is there`);
  }
  if (!found.names.includes(FIRST_HEAD)) return;
  const head = join(path, FIRST_HEAD);
  const { blocks } = await stat(head).catch((error: unknown) => {
    throw systemError(error, "find", head);
  });
  if (blocks !== 0)
    throw new ReplicaError("DAMAGED", `${join(path, VOLUME_META)} names no head, but ${head} holds data`);
}
