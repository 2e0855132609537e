/** Small files that are whole or absent after a power cut: written aside, synced, renamed, their directory synced. */
import type { Stats } from "node:fs";
import { open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { diskFiles, type Files } from "./files.js";
import { ReplicaError, systemError } from "./replica-error.js";

/** Suffix of a file that is being replaced, as in Longhorn. One that is left over by a crash is ignored. */
export const ASIDE_SUFFIX = ".tmp";

/** @throws {ReplicaError} the old content is then still there, and durable */
export async function replaceFile(path: string, content: string, files: Files = diskFiles): Promise<void> {
  await replaceInCache(path, content, files);
  try {
    await files.syncDirectory(dirname(path));
  } catch (error) {
    throw systemError(error, "write", path);
  }
}

/** The same, with the new name durable only after the next sync of the directory. */
export async function replaceInCache(path: string, content: string, files: Files): Promise<void> {
  const aside = path + ASIDE_SUFFIX;
  try {
    await files.write(aside, content);
    await files.rename(aside, path);
  } catch (error) {
    // What did not fit would only take the last space of a full disk.
    await files.unlink(aside).catch(() => undefined);
    throw systemError(error, "write", path);
  }
}

/** Makes names created, renamed or removed in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  await diskFiles.syncDirectory(path);
}

/** `existsSync` says no of what a disk that fails does not let it look at: what is there would pass for missing.
 * @throws {ReplicaError} that cannot be told, naming `path` */
export async function isThere(path: string): Promise<boolean> {
  return (await statOrNull(path)) !== null;
}

/** @returns null: it is not there
 * @throws {ReplicaError} that cannot be told, naming `path` */
export async function statOrNull(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw systemError(error, "find", path);
  }
}

/** @param bytesMax a longer file is damaged, not read
 * @throws {ReplicaError} `MISSING`, `DAMAGED` (empty, too long, not a plain file), `IO_ERROR` */
export async function readWholeFile(path: string, bytesMax: number): Promise<string> {
  try {
    const file = await open(path, "r");
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw new ReplicaError("FOREIGN", `${path} is not a plain file`);
      if (stat.size === 0) throw new ReplicaError("DAMAGED", `${path} is empty`);
      if (stat.size > bytesMax) {
        throw new ReplicaError(
          "DAMAGED",
          `${path} is too long: ${stat.size} bytes, expected at most ${bytesMax}`,
        );
      }
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  } catch (error) {
    throw systemError(error, "read", path);
  }
}
