/**
 * A new head beside the present one, as for a snapshot, a revert and an expansion: all its files are made and durable
 * before `volume.meta` names it, and that one rename is the point of no return.
 */
import { join } from "node:path";
import { listNames, type ReplicaDirectory } from "../directory.js";
import { CHECKSUM_SUFFIX, formatDiskMeta, META_SUFFIX, type DiskMeta } from "../disk-meta.js";
import { headName, headNumber } from "../disk-names.js";
import { ASIDE_SUFFIX, replaceInCache } from "../durable-file.js";
import type { Files } from "../files.js";
import { ReplicaError, systemError } from "../replica-error.js";
import { formatVolumeMeta, VOLUME_META, withChanges, type VolumeMeta } from "../volume-meta.js";

/** `volume.meta` as it is going to be. Not `volume.meta.tmp`: other changes of `volume.meta` may come in between. */
export const NEXT_VOLUME_META = `${VOLUME_META}.next${ASIDE_SUFFIX}`;

export interface NewHead {
  file: string;
  meta: DiskMeta;
  /** bytes */
  size: number;
  /** the text of NEXT_VOLUME_META */
  text: string;
}

/** The head's name after the present one. Numbers whose files an interrupted operation left behind are passed over, also where a
 * failing disk has kept them since the directory was opened.
 * @throws {ReplicaError} */
export async function nextHead({ path, meta }: ReplicaDirectory): Promise<string> {
  const names = new Set(await listNames(path));
  const taken = (name: string) => names.has(name) || names.has(name + META_SUFFIX);
  let number = (headNumber(meta.head) ?? 0) + 1;
  while (taken(headName(number))) number++;
  return headName(number);
}

/** Makes the data file, empty, and its meta.
 * @throws {ReplicaError} `REFUSED`: the name is taken, by what is not ours to undo */
export async function createHead(
  path: string,
  head: { file: string; meta: DiskMeta; size: number },
  files: Files,
): Promise<void> {
  const data = join(path, head.file);
  try {
    await files.createSparse(data, head.size);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw new ReplicaError("REFUSED", `${data} already exists`); // prettier-ignore
    throw systemError(error, "create", data);
  }
  await replaceInCache(data + META_SUFFIX, formatDiskMeta(head.file, head.meta), files);
}

/** `volume.meta` with the new head: Longhorn's Dirty is set from then on. */
export function volumeMetaWith(
  meta: VolumeMeta,
  head: { file: string; meta: DiskMeta; size: number },
): VolumeMeta {
  return withChanges(meta, { head: head.file, parent: head.meta.parent, size: head.size, dirty: true });
}

/** Makes all that was prepared durable, and `volume.meta` ready beside it. */
export async function readyHead(path: string, text: string, files: Files): Promise<void> {
  const next = join(path, NEXT_VOLUME_META);
  try {
    await files.write(next, text);
    await files.syncDirectory(path);
  } catch (error) {
    throw systemError(error, "write", next);
  }
}

/** The point of no return.
 * @returns what `volume.meta` now says
 * @throws {ReplicaError} nothing was changed; or `UNCERTAIN` */
export async function commitHead(
  directory: ReplicaDirectory,
  head: NewHead,
  files: Files,
): Promise<VolumeMeta> {
  const { path } = directory;
  const meta = volumeMetaWith(directory.meta, head);
  const text = formatVolumeMeta(meta);
  const next = join(path, NEXT_VOLUME_META);
  try {
    if (text !== head.text) await files.write(next, text);
    await files.rename(next, join(path, VOLUME_META));
  } catch (error) {
    throw systemError(error, "write", join(path, VOLUME_META));
  }
  try {
    await files.syncDirectory(path);
  } catch (error) {
    throw new ReplicaError("UNCERTAIN", systemError(error, "sync", path).message, { cause: error });
  }
  return meta;
}

/** Removes a disk that was only prepared, or is only another name of one that stays. Its meta goes first: data without
 * a meta is nobody's disk, a meta without its data stops Longhorn. A folder where its meta is written aside is none of it. */
export async function dropDisk(path: string, file: string, files: Files): Promise<void> {
  const data = join(path, file);
  await files.unlink(data + META_SUFFIX + ASIDE_SUFFIX).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "EISDIR") throw error;
  });
  await files.unlink(data + META_SUFFIX);
  await files.unlink(data + CHECKSUM_SUFFIX);
  await files.unlink(data);
}

/** Undoes what was prepared; every step is tried.
 * @returns the first failure, null when all is as it was */
export async function undo(path: string, prepared: readonly string[], files: Files): Promise<Error | null> {
  let failure: Error | null = null;
  const attempt = async (step: () => Promise<void>) => {
    await step().catch((error: unknown) => (failure ??= systemError(error, "undo an operation in", path)));
  };
  await attempt(() => files.unlink(join(path, NEXT_VOLUME_META)));
  for (const file of prepared) await attempt(() => dropDisk(path, file, files));
  await attempt(() => files.syncDirectory(path));
  return failure;
}
