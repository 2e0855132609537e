/** Coalesces two snapshots that no store has open: a store of its own for each, over scratch maps. */
import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openStore, type ReplicaStore } from "../native/index.js";
import { MERGE_STEP_BYTES, PAYLOAD_BYTES_MAX, REGION_BYTES } from "./limits.js";
import { ReplicaError, systemError } from "./replica-error.js";

type OnProgress = (doneBytes: number, totalBytes: number) => void;

/** Copies every extent of `upper`, allocated zeros as well, into `lower`, durably. Doing it again changes nothing.
 * @param lower path of the older file; grows to the length of the other
 * @throws {ReplicaError | NativeError} `upper` is as it was, and hides what `lower` got */
export async function mergeFiles(lower: string, upper: string, onProgress: OnProgress): Promise<void> {
  const size = await sameLength(lower, upper);
  const aside = await mkdtemp(join(dirname(lower), "aurochs.merge-"));
  try {
    const from = await openAlone(upper, size, join(aside, "upper"));
    try {
      const to = await openAlone(lower, size, join(aside, "lower"));
      try {
        await copy(from, to, size, onProgress);
      } finally {
        await to.close();
      }
    } finally {
      await from.close();
    }
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

async function sameLength(lower: string, upper: string): Promise<number> {
  try {
    const { size } = await stat(upper);
    const present = (await stat(lower)).size;
    if (present > size)
      throw new ReplicaError("SIZE_MISMATCH", `${upper} is shorter than ${lower}, its parent`);
    if (present === size) return size;
    const file = await open(lower, "r+");
    try {
      await file.truncate(size);
      await file.sync();
    } finally {
      await file.close();
    }
    return size;
  } catch (error) {
    throw systemError(error, "extend", lower);
  }
}

function openAlone(path: string, size: number, map: string): Promise<ReplicaStore> {
  const files = { layers: [{ path }], backing: false, size, regionMapPath: `${map}.regions`, missedMapPath: `${map}.missed` }; // prettier-ignore
  // What makes a store useless fails the call that meets it as well.
  return openStore({ ...files, cache: "writeback", regionSize: REGION_BYTES, ioThreads: 1 }, () => undefined);
}

async function copy(
  from: ReplicaStore,
  to: ReplicaStore,
  size: number,
  onProgress: OnProgress,
): Promise<void> {
  for (let step = 0; step < size; step += MERGE_STEP_BYTES) {
    const extents = await from.extents(step, Math.min(MERGE_STEP_BYTES, size - step));
    for (let i = 0; i + 1 < extents.length; i += 2) {
      const [offset = 0, length = 0] = extents.slice(i, i + 2);
      for (let done = 0; done < length; done += PAYLOAD_BYTES_MAX) {
        const bytes = Math.min(PAYLOAD_BYTES_MAX, length - done);
        await to.write(offset + done, await from.read(offset + done, bytes));
      }
    }
    onProgress(Math.min(step + MERGE_STEP_BYTES, size), size);
  }
  await to.flush();
}
