/** What of a plain file has extents, reading it, and freeing what is to be written anew. */
import type { FileHandle } from "node:fs/promises";
import { fileExtents, punchHole } from "../native/index.js";
import { EXTENT_SLACK } from "./limits.js";

/** Runs of extents of one file, neighbours joined, cut to `[begin, end)`. Data that have no extent yet are written out first
 * when the file is read from its beginning.
 * @returns `[offset, length]`, ascending */
export async function* allocatedRuns(
  file: FileHandle,
  end: number,
  begin = 0,
): AsyncGenerator<[number, number]> {
  let [offset, length] = [0, 0];
  for (let position = begin; position < end;) {
    const found = await fileExtents(file.fd, position, end, position === 0);
    if (found.length === 0) break;
    for (let i = 0; i < found.length; i += 2) {
      const [from, bytes] = [found[i] ?? 0, found[i + 1] ?? 0];
      if (length > 0 && offset + length === from) {
        length += bytes;
      } else {
        if (length > 0) yield [offset, length];
        [offset, length] = [from, bytes];
      }
      position = from + bytes;
    }
  }
  if (length > 0) yield [offset, length];
}

export async function readExactly(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) throw new Error(`the file ended at byte ${offset + done}`);
    done += bytesRead;
  }
  return bytes;
}

/** Gives the blocks of a range back, so that what is written there comes to others: ext4 converts no extent whose first write failed when the
 * same blocks are written again. To the end of the file's last one.
 * @param size bytes of the file */
export async function freeForRewrite(
  file: FileHandle,
  offset: number,
  length: number,
  size: number,
): Promise<void> {
  await punchHole(file.fd, offset, length + (offset + length < size ? 0 : EXTENT_SLACK));
}
