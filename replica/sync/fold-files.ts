/** Longhorn's coalesce and prune on two data files, each of which may be broken off and done again. */
import { open, type FileHandle } from "node:fs/promises";
import { punchHole } from "../../native/index.js";
import { SYNC_BYTES } from "./limits.js";
import { allocatedRuns, batches, readExactly } from "./source.js";

/** Copies what `upper`, a child, has into `lower`, its parent, whose file may grow to its length. Durable when it resolves.
 * @throws {Error} `upper` is as it was, and hides whatever `lower` got */
export async function foldFile(upper: string, lower: string): Promise<void> {
  await withFiles(upper, lower, async (from, to) => {
    const [child, parent] = [await from.stat(), await to.stat()];
    // One file with two names: an interrupted replacement.
    if (child.ino === parent.ino && child.dev === parent.dev) return;
    if (child.size < parent.size) throw new Error(`${upper} is shorter than ${lower}, its parent`);
    if (parent.size < child.size) await to.truncate(child.size);
    let unsynced = 0;
    for await (const [offset, length] of allocatedRuns(from, child.size)) {
      for (const piece of batches(offset, length, (at, bytes) => readExactly(from, at, bytes))) {
        if (piece.kind !== "data") continue;
        await writeAll(to, await piece.read(), piece.offset);
        unsynced += piece.length;
        if (unsynced >= SYNC_BYTES) {
          await to.datasync();
          unsynced = 0;
        }
      }
    }
    await to.sync();
  });
}

/** Frees in `lower` what `upper`, the head, has as well. */
export async function pruneFile(lower: string, upper: string): Promise<void> {
  await withFiles(upper, lower, async (from, to) => {
    // What hides a block has to outlive a power cut before the block goes.
    await from.datasync();
    const size = Math.min((await from.stat()).size, (await to.stat()).size);
    for await (const [offset, length] of allocatedRuns(from, size)) await punchHole(to.fd, offset, length);
    await to.sync();
  });
}

async function withFiles(
  upper: string,
  lower: string,
  work: (upper: FileHandle, lower: FileHandle) => Promise<void>,
): Promise<void> {
  const from = await open(upper, "r");
  try {
    const to = await open(lower, "r+");
    try {
      await work(from, to);
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

async function writeAll(file: FileHandle, data: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < data.length;) {
    done += (await file.write(data, done, data.length - done, offset + done)).bytesWritten;
  }
}
