/** `revision.counter`: Longhorn's count of writes. We keep one that is there; new volumes do without. */
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import { ASIDE_SUFFIX, syncDirectory } from "./durable-file.js";
import { ReplicaError, systemError } from "./replica-error.js";

export const REVISION_COUNTER = "revision.counter";

/** The counter is one block: decimal text, then zero bytes. */
const FILE_BYTES = 4096;

/** Unlike all others it is its owner's alone, in Longhorn's directories as well. */
const MODE = 0o600;

/** @returns null when the directory has none
 * @throws {ReplicaError} `DAMAGED`, `IO_ERROR` */
export async function readRevision(directory: string): Promise<number | null> {
  const path = join(directory, REVISION_COUNTER);
  const bytes = Buffer.alloc(FILE_BYTES + 1);
  let length: number;
  try {
    const file = await open(path, "r");
    try {
      ({ bytesRead: length } = await file.read(bytes, 0, bytes.length, 0));
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw systemError(error, "read", path);
  }
  const text = bytes.toString("latin1", 0, length).replace(/\0+$/, "");
  const revision = Number(text);
  if (length !== FILE_BYTES || !/^\d+$/.test(text) || !Number.isSafeInteger(revision)) {
    throw new ReplicaError("DAMAGED", `${path} is not a revision counter (${length} bytes)`);
  }
  return revision;
}

/** @param wanted false: whatever the directory has is left alone; true: one is made when it has none
 * @returns null when none is kept */
export async function openRevision(directory: string, wanted: boolean | undefined): Promise<number | null> {
  if (wanted === false) return null;
  const revision = await readRevision(directory);
  if (revision !== null || wanted === undefined) return revision;
  await createRevision(directory);
  return 0;
}

async function createRevision(directory: string): Promise<void> {
  const path = join(directory, REVISION_COUNTER);
  try {
    const file = await open(path + ASIDE_SUFFIX, "w", MODE);
    try {
      await file.writeFile(blockOf(0));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(path + ASIDE_SUFFIX, path);
    await syncDirectory(directory);
  } catch (error) {
    throw systemError(error, "write", path);
  }
}

function blockOf(revision: number): Buffer {
  const bytes = Buffer.alloc(FILE_BYTES);
  bytes.write(String(revision), "latin1");
  return bytes;
}

/** Durably, in place: one aligned block, as Longhorn writes it. */
export async function writeRevision(directory: string, revision: number): Promise<void> {
  const path = join(directory, REVISION_COUNTER);
  const bytes = blockOf(revision);
  try {
    const file = await open(path, "r+");
    try {
      await file.write(bytes, 0, FILE_BYTES, 0);
      await file.datasync();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw systemError(error, "write", path);
  }
}
