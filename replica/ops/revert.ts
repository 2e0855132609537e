/** Revert: an empty head on top of a snapshot takes the place of the present one, whose data go. */
import { join } from "node:path";
import { chainFrom } from "../chain.js";
import { checkDataFiles, type ReplicaDirectory } from "../directory.js";
import { headMeta } from "../disk-meta.js";
import { replaceInCache } from "../durable-file.js";
import { diskFiles, type Files } from "../files.js";
import { ReplicaError, systemError } from "../replica-error.js";
import { formatVolumeMeta } from "../volume-meta.js";
import { formatIntent, INTENT_NAME, inodeOf, perform, type Intent, type Outcome } from "./intent.js";
import { commitHead, createHead, nextHead, readyHead, undo, volumeMetaWith } from "./new-head.js";
import { SnapshotError } from "./snapshot.js";

/** @param file data file name of the snapshot
 * @param created RFC 3339, seconds, UTC
 * @throws {ReplicaError} `REFUSED`, `SIZE_MISMATCH`, ...; {SnapshotError} it was undone; `UNCERTAIN`. Not once the new head is the
 * volume's: who took that for a failure would write to the old one, which goes */
export async function revert(
  directory: ReplicaDirectory,
  file: string,
  created: string,
  files: Files = diskFiles,
): Promise<Outcome> {
  const { path, disks, meta: volume } = directory;
  const ancestors = await checkRevert(directory, file);
  const head = { file: await nextHead(directory), meta: headMeta(file, created), size: volume.size };
  const text = formatVolumeMeta(volumeMetaWith(volume, head));
  const discard = { [volume.head]: await inodeOf(join(path, volume.head)) };
  // It holds from the moment that volume.meta names the new head.
  const intent: Intent = { head: head.file, replace: null, parents: {}, discard, everything: false };
  let meta;
  try {
    await createHead(path, head, files);
    await replaceInCache(join(path, INTENT_NAME), formatIntent(intent), files);
    await readyHead(path, text, files);
    meta = await commitHead(directory, { ...head, text }, files);
  } catch (error) {
    const reason = systemError(error, "revert", path);
    if (reason.code === "REFUSED" || reason.code === "UNCERTAIN") throw reason;
    throw new SnapshotError(reason, await undoRevert(path, head.file, files));
  }
  const failure = await perform(path, intent, files).then(
    () => null,
    (error: unknown) => error as Error,
  );
  const left = new Map(disks).set(head.file, head.meta);
  left.delete(volume.head);
  return { directory: { ...directory, meta, disks: left, chain: [head.file, ...ancestors] }, failure };
}

async function undoRevert(path: string, head: string, files: Files): Promise<Error | null> {
  const failure = await undo(path, [head], files);
  return files.unlink(join(path, INTENT_NAME)).then(
    () => failure,
    (error: unknown) => failure ?? systemError(error, "undo an operation in", path),
  );
}

async function checkRevert(directory: ReplicaDirectory, file: string): Promise<string[]> {
  const { path, disks, damaged, meta } = directory;
  const refuse = (why: string) =>
    new ReplicaError("REFUSED", `cannot revert to disk file ${file} since ${why}`);
  const known = damaged.get(file);
  if (known !== undefined) throw refuse(known.error.message);
  const disk = disks.get(file);
  if (disk === undefined) throw refuse("it's not in the disk chain");
  if (file === meta.head) throw refuse("it is the head");
  if (disk.removed) throw refuse("it's already marked as removed");
  const chain = chainFrom(file, directory);
  await checkDataFiles(path, chain, { head: null, size: meta.size });
  return chain;
}
