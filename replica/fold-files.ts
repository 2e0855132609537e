/** Coalesce and prune on two data files that no store has open. Each may be broken off and done again. */
import { open, type FileHandle } from "node:fs/promises";
import { punchHole, type OnProgress } from "../native/index.js";
import { allocatedRuns, freeForRewrite, readExactly } from "./file-runs.js";
import { FOLD_STEP_BYTES, PRUNE_RUNS_MAX, SYNC_BYTES } from "./limits.js";
import { ReplicaError } from "./replica-error.js";

/** Copies what `upper`, a child, has, allocated zeros as well, into `lower`, its parent, whose file may grow to its length.
 * Durable when it resolves.
 * @throws {ReplicaError | NativeError | Error} `upper` is as it was, and hides whatever `lower` got */
export async function foldFile(upper: string, lower: string, onProgress: OnProgress): Promise<void> {
  await withFiles(upper, lower, async (from, to) => {
    const [child, parent] = [await from.stat(), await to.stat()];
    // One file with two names: an interrupted replacement.
    if (child.ino === parent.ino && child.dev === parent.dev) return;
    if (child.size < parent.size)
      throw new ReplicaError("SIZE_MISMATCH", `${upper} is shorter than ${lower}, its parent`);
    if (parent.size < child.size) await to.truncate(child.size);
    let unsynced = 0;
    for await (const [offset, length] of allocatedRuns(from, child.size)) {
      for (let done = 0; done < length; done += FOLD_STEP_BYTES) {
        const bytes = Math.min(FOLD_STEP_BYTES, length - done);
        const data = await readExactly(from, offset + done, bytes);
        // An earlier try may have failed in its sync.
        await freeForRewrite(to, offset + done, bytes, child.size);
        await writeAll(to, data, offset + done);
        unsynced += bytes;
        if (unsynced >= SYNC_BYTES) {
          await to.datasync();
          unsynced = 0;
        }
        onProgress(offset + done + bytes, child.size);
      }
    }
    await to.sync();
  });
}

/** Frees in `lower` what `upper`, the head, has as well; it may be written meanwhile. */
export async function pruneFile(lower: string, upper: string): Promise<void> {
  await withFiles(upper, lower, async (from, to) => {
    const size = Math.min((await from.stat()).size, (await to.stat()).size);
    const hidden: [number, number][] = [];
    const free = async () => {
      // What hides a block has to outlive a power cut before the block goes: the sync comes after the look.
      await from.datasync();
      for (const [offset, length] of hidden.splice(0)) await punchHole(to.fd, offset, length);
    };
    for await (const run of allocatedRuns(from, size)) {
      hidden.push(run);
      if (hidden.length === PRUNE_RUNS_MAX) await free();
    }
    if (hidden.length > 0) await free();
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
