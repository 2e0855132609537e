/** Fills file systems. */
import { closeSync, fsyncSync, openSync, statfsSync, writeSync } from "node:fs";

/** Writes a file until there is no room for a single block more. */
export function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (let length = 1 << 20; length >= 4096;) {
      try {
        writeSync(file, Buffer.alloc(length));
        fsyncSync(file);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
        length /= 2;
      }
    }
  } finally {
    closeSync(file);
  }
}

/** Whether the file system has no room for a block more. */
export function isFull(path: string): boolean {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize < 4096;
}
