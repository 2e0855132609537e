/**
 * `aurochs.intent`: what an operation that removes files is about to do, durable before the first of them goes. An
 * interrupted operation is thereby finished at open. Every step in between leaves a directory whose volume and
 * snapshots read as they should, so an intent may also be dropped: when somebody else has changed the directory since.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { chainFrom } from "../chain.js";
import { lookAt, openDirectory, type ReplicaDirectory } from "../directory.js";
import { CHECKSUM_SUFFIX, formatDiskMeta, META_SUFFIX } from "../disk-meta.js";
import { DATA_FILE_NAME, HEAD_NAME } from "../disk-names.js";
import { ASIDE_SUFFIX, readWholeFile, replaceFile, replaceInCache } from "../durable-file.js";
import { diskFiles, type Files } from "../files.js";
import { Fields, parseObject } from "../json-fields.js";
import { INTENT_BYTES_MAX } from "../limits.js";
import { LOCK_NAME } from "../lock.js";
import { ReplicaError, systemError } from "../replica-error.js";
import { REVISION_COUNTER } from "../revision-counter.js";
import { formatVolumeMeta, VOLUME_META, withChanges } from "../volume-meta.js";
import { dropDisk } from "./new-head.js";

export const INTENT_NAME = "aurochs.intent";

const FORMAT = 1;

export interface Intent {
  /** the head that volume.meta has to name; else the intent is not, or not any more, about this directory */
  head: string;
  /** source's data become those of target as well */
  replace: { target: string; source: string } | null;
  /** new parents, by data file name */
  parents: Record<string, string>;
  /** disks to remove, with the inode of their data; -1: there are none */
  discard: Record<string, number>;
  /** the whole replica goes: after the disks volume.meta, the revision counter, and what is ours */
  everything: boolean;
}

/** @returns null when there is none
 * @throws {ReplicaError} `DAMAGED`, `UNSUPPORTED`, `IO_ERROR` */
export async function readIntent(directory: string): Promise<Intent | null> {
  const path = join(directory, INTENT_NAME);
  try {
    return parseIntent(await readWholeFile(path, INTENT_BYTES_MAX), path);
  } catch (error) {
    if (error instanceof ReplicaError && error.code === "MISSING") return null;
    throw error;
  }
}

export function formatIntent(intent: Intent): string {
  return `${JSON.stringify({ format: FORMAT, ...intent })}\n`;
}

function parseIntent(text: string, path: string): Intent {
  const fields = new Fields(parseObject(text, path), path);
  const format = fields.count("format");
  if (format !== FORMAT)
    throw new ReplicaError("UNSUPPORTED", `${path} has format ${format}, expected ${FORMAT}`);
  const replace = fields.child("replace");
  const parents = fields.child("parents") ?? {};
  const discard = fields.child("discard") ?? {};
  const intent = {
    head: fields.string("head"),
    replace: replace as Intent["replace"],
    parents: parents as Intent["parents"],
    discard: discard as Intent["discard"],
    everything: fields.boolean("everything"),
  };
  const files = [...Object.keys(parents), ...Object.keys(discard), ...Object.values(replace ?? {})];
  const roots = Object.values(parents).filter((name) => name !== "");
  const names = [...files, ...roots].every((name) => typeof name === "string" && DATA_FILE_NAME.test(name));
  const inodes = Object.values(discard).every((inode) => Number.isSafeInteger(inode));
  if (!HEAD_NAME.test(intent.head) || !names || !inodes)
    throw new ReplicaError("DAMAGED", `${path} is no intent`);
  return intent;
}

/** @returns -1 when there is no such file */
export async function inodeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).ino;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return -1;
    throw systemError(error, "find", path);
  }
}

/** Makes it durable that this is going to be done. */
export async function announce(path: string, intent: Intent, files: Files): Promise<void> {
  await replaceFile(join(path, INTENT_NAME), formatIntent(intent), files);
}

/** What an operation that removes files has come to. */
export interface Outcome {
  /** as it is then */
  directory: ReplicaDirectory;
  /** why the files that were to go are not all gone; opening the directory goes on with it */
  failure: Error | null;
}

/** Makes the intent durable and carries it out; disks stay.
 * @throws {ReplicaError} and all disks are there; if the intent was durable, it is finished when the directory is opened again. Not
 * once one of them may be gone: who went on with the directory as it was would name it as a parent */
export async function carryOut(
  path: string,
  intent: Intent & { everything: false },
  files: Files,
): Promise<Outcome> {
  await announce(path, intent, files);
  const { directory, gone } = await rearrange(await openDirectory(path), intent, files);
  const failure = await ending(path, files, () => discard(path, gone, files)).then(
    () => null,
    (error: unknown) => error as Error,
  );
  return { directory, failure };
}

/** Finishes what an interrupted operation had begun to do, if there is anything. */
export async function finishIntent(path: string, files: Files = diskFiles): Promise<boolean> {
  const intent = await readIntent(path);
  if (intent !== null) await perform(path, intent, files);
  return intent !== null;
}

/** Every step may have been done before. */
export async function perform(path: string, intent: Intent, files: Files): Promise<void> {
  if (intent.everything) return ending(path, files, () => removeEverything(path, intent, files));
  const { gone } = await rearrange(await openDirectory(path), intent, files);
  await ending(path, files, () => discard(path, gone, files));
}

/** The intent goes when `work` is done. */
async function ending(path: string, files: Files, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    await files.unlink(join(path, INTENT_NAME));
    await files.syncDirectory(path);
  } catch (error) {
    throw systemError(error, "remove files from", path);
  }
}

/** All that comes before disks go: nobody needs them then.
 * @returns the directory without them. It is not read again: that takes longer the more snapshots there are. */
async function rearrange(
  directory: ReplicaDirectory,
  intent: Intent,
  files: Files,
): Promise<{ directory: ReplicaDirectory; gone: string[] }> {
  const { path, meta: volume } = directory;
  if (volume.head !== intent.head) return { directory, gone: [] };
  if (intent.replace !== null) await replaceData(path, intent.replace, files);
  const disks = new Map(directory.disks);
  for (const [name, parent] of Object.entries(intent.parents)) {
    const disk = disks.get(name);
    if (disk === undefined || disk.parent === parent) continue;
    const meta = { ...disk, parent };
    await replaceInCache(join(path, name + META_SUFFIX), formatDiskMeta(name, meta), files);
    disks.set(name, meta);
  }
  const parent = intent.parents[volume.head];
  const meta = parent === undefined ? volume : withChanges(volume, { parent });
  if (meta !== volume) await replaceInCache(join(path, VOLUME_META), formatVolumeMeta(meta), files);
  // No child loses its parent before it has the new one for good.
  await files.syncDirectory(path).catch((error: unknown) => {
    throw systemError(error, "sync", path);
  });

  const needed = new Set([intent.head, ...[...disks.values()].map((disk) => disk.parent)]);
  const gone = (await namedIn(path, intent)).filter((name) => !needed.has(name));
  const damaged = new Map(directory.damaged);
  for (const name of gone) {
    disks.delete(name);
    damaged.delete(name);
  }
  const leftovers = directory.leftovers.filter((name) => !gone.includes(name.replace(META_SUFFIX, "")));
  const chain = chainFrom(meta.head, { path, disks, damaged });
  return { directory: { path, meta, disks, damaged, chain, leftovers }, gone };
}

/** @returns the disks to remove, without those whose name has other data by now */
async function namedIn(path: string, { discard }: Intent): Promise<string[]> {
  const names: string[] = [];
  for (const [name, inode] of Object.entries(discard)) {
    const now = await inodeOf(join(path, name));
    if (now === -1 || now === inode) names.push(name);
  }
  return names;
}

async function discard(path: string, names: readonly string[], files: Files): Promise<void> {
  for (const name of names) await dropDisk(path, name, files);
  await files.syncDirectory(path);
}

async function removeEverything(path: string, intent: Intent, files: Files): Promise<void> {
  const found = await lookAt(path).catch((error: unknown) => {
    // Without volume.meta, what is left of the disks is still to go.
    if (error instanceof ReplicaError && error.code === "FOREIGN") return null;
    throw error;
  });
  if (found?.state === "volume" && found.meta.head !== intent.head) return;
  await discard(path, await namedIn(path, intent), files);
  const names = await readdir(path);
  const ours = names.filter(
    (name) => name.startsWith("aurochs.") && name !== INTENT_NAME && name !== LOCK_NAME,
  );
  for (const name of [...ours, REVISION_COUNTER, VOLUME_META]) await files.unlink(join(path, name));
  await files.syncDirectory(path);
}

/** A rename over the old data: at no time is there a meta without its data. */
async function replaceData(
  path: string,
  { target, source }: { target: string; source: string },
  files: Files,
): Promise<void> {
  const from = join(path, source);
  const to = join(path, target);
  const inode = await inodeOf(from);
  if (inode === -1 || inode === (await inodeOf(to))) return; // done before
  const aside = to + ASIDE_SUFFIX;
  try {
    await files.unlink(aside);
    await files.link(from, aside);
    await files.rename(aside, to);
    await files.unlink(to + CHECKSUM_SUFFIX);
  } catch (error) {
    throw systemError(error, "replace", to);
  }
}
