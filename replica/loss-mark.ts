/**
 * `aurochs.lost`: a sync has failed, and the record does not say so yet. The kernel forgets such a failure: for the next
 * process of this boot the data would look durable. The mark is a name alone (of the lock's file): it takes no space and no
 * write to the disk before other processes see it; a file system that cannot take it in takes nothing any more, and after
 * a restart of the machine the boot id tells.
 */
import { link } from "node:fs/promises";
import { join } from "node:path";
import { isThere } from "./durable-file.js";
import { diskFiles } from "./files.js";
import { LOCK_NAME } from "./lock.js";

const MARK_NAME = "aurochs.lost";

/** @throws {ReplicaError} that cannot be told */
export function isLossMarked(directory: string): Promise<boolean> {
  return isThere(join(directory, MARK_NAME));
}

export async function markLoss(directory: string): Promise<void> {
  try {
    await link(join(directory, LOCK_NAME), join(directory, MARK_NAME));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** The record says it. */
export async function removeLossMark(directory: string): Promise<void> {
  await diskFiles.unlink(join(directory, MARK_NAME));
}
