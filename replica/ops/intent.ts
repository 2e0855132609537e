/**
 * `aurochs.intent`: what an operation that removes files is about to do, durable before the first of them goes. An
 * interrupted operation is thereby finished at open. Every step in between leaves a directory whose volume and
 * snapshots read as they should, so an intent may also be dropped: when somebody else has changed the directory since.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
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

/** Makes the intent durable and carries it out.
 * @throws {ReplicaError} and if the intent was durable, it is finished when the directory is opened again */
export async function carryOut(path: string, intent: Intent, files: Files): Promise<void> {
  await replaceFile(join(path, INTENT_NAME), formatIntent(intent), files);
  await perform(path, intent, files);
}

/** Finishes what an interrupted operation had begun to do, if there is anything. */
export async function finishIntent(path: string, files: Files = diskFiles): Promise<boolean> {
  const intent = await readIntent(path);
  if (intent !== null) await perform(path, intent, files);
  return intent !== null;
}

/** Every step may have been done before. */
export async function perform(path: string, intent: Intent, files: Files): Promise<void> {
  try {
    if (intent.everything) await removeEverything(path, intent, files);
    else await rearrange(await openDirectory(path), intent, files);
    await files.unlink(join(path, INTENT_NAME));
    await files.syncDirectory(path);
  } catch (error) {
    throw systemError(error, "remove files from", path);
  }
}

async function rearrange(directory: ReplicaDirectory, intent: Intent, files: Files): Promise<void> {
  const { path, meta: volume } = directory;
  if (volume.head !== intent.head) return;
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
  if (parent !== undefined) {
    await replaceInCache(join(path, VOLUME_META), formatVolumeMeta(withChanges(volume, { parent })), files);
  }
  // No child loses its parent before it has the new one for good.
  await files.syncDirectory(path);

  const needed = new Set([intent.head, ...[...disks.values()].map((disk) => disk.parent)]);
  await discard(path, intent, needed, files);
}

async function discard(
  path: string,
  intent: Intent,
  needed: ReadonlySet<string>,
  files: Files,
): Promise<void> {
  for (const [name, inode] of Object.entries(intent.discard)) {
    const now = await inodeOf(join(path, name));
    if (!needed.has(name) && (now === -1 || now === inode)) await dropDisk(path, name, files);
  }
  await files.syncDirectory(path);
}

async function removeEverything(path: string, intent: Intent, files: Files): Promise<void> {
  const found = await lookAt(path).catch((error: unknown) => {
    // Without volume.meta, what is left of the disks is still to go.
    if (error instanceof ReplicaError && error.code === "FOREIGN") return null;
    throw error;
  });
  if (found?.state === "volume" && found.meta.head !== intent.head) return;
  await discard(path, intent, new Set(), files);
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
  await files.unlink(aside);
  await files.link(from, aside);
  await files.rename(aside, to);
  await files.unlink(to + CHECKSUM_SUFFIX);
}
