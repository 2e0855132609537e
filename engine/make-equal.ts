/** Copies ranges from one replica of a volume to another until they are equal there, while I/O is served. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { NativeError, Volume } from "../native/index.js";
import type { CopyPacer } from "./copy-pacer.js";
import { AGREEMENT_COPIES_MAX, AGREEMENT_RETRY_MS } from "./limits.js";
import type { Range } from "./region-ranges.js";

export interface CopyTask {
  volume: Pick<Volume, "copy">;
  pacer: CopyPacer;
  /** slot that counts */
  from: number;
  /** slot to be made equal */
  to: number;
  ranges: Range[];
  /** whether `to` is still to be made equal to `from`; asked before each copy, and after each failure */
  wanted: () => boolean;
  /** asked once of each range, when it may be copied: whether nobody else copies it. Absent: nobody does */
  claim?: (range: Range) => boolean;
  /** @param bytes of a range that is equal now
   * @param moved of them that differed and were written */
  onCopied: (bytes: number, moved: number) => void;
  /** `to` answered a write with an error: it cannot be made equal */
  onRefused: (error: NativeError) => void;
  signal: AbortSignal;
  log: Logger;
}

/** Answers that another attempt does not change; after others (a stream that ended) it may succeed. */
const REFUSALS: ReadonlySet<string> = new Set<NativeError["code"]>([
  "IO_ERROR",
  "NO_SPACE",
  "OUT_OF_RANGE",
  "INVALID",
]);

/** Copies all ranges, several at a time, as fast as the volume's users allow.
 * @returns false when the copy is no longer wanted */
export async function makeEqual(task: CopyTask): Promise<boolean> {
  const queue = task.ranges.values();
  let differed = 0;
  async function work(): Promise<boolean> {
    for (const range of queue) {
      await task.pacer.take(range.length);
      if (isUnwanted(task)) return false;
      if (task.claim?.(range) === false) continue;
      const moved = await makeRangeEqual(task, range);
      if (moved === null) return false;
      differed += moved;
    }
    return true;
  }
  const workers = () => Promise.all(Array.from({ length: AGREEMENT_COPIES_MAX }, work));
  const done = (await task.pacer.during(workers)).every(Boolean);
  if (done)
    task.log.info(
      { from: task.from, to: task.to, regions: task.ranges.length, differedBytes: differed },
      "copies made equal",
    );
  return done;
}

/** Copies one range at once, again until it succeeds.
 * @returns bytes that differed; null when the copy is no longer wanted */
export async function makeRangeEqual(task: CopyTask, { offset, length }: Range): Promise<number | null> {
  const { volume, from, to, signal, log } = task;
  while (!isUnwanted(task)) {
    try {
      const moved = await volume.copy(from, to, offset, length);
      task.onCopied(length, moved);
      return moved;
    } catch (err) {
      if (isUnwanted(task)) break;
      const error = err as NativeError;
      if (error.slot === to && REFUSALS.has(error.code)) task.onRefused(error);
      log.warn({ err, from, to, offset, length }, "a region could not be made equal");
      await sleep(AGREEMENT_RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
  return null;
}

function isUnwanted({ signal, wanted }: CopyTask): boolean {
  return signal.aborted || !wanted();
}
