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
  /** whether `to` is still to be made equal; asked after each failure */
  wanted: () => boolean;
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

/** Copies all ranges, several at a time, each again until it succeeds, as fast as the volume's users allow.
 * @returns false when the copy is no longer wanted */
export async function makeEqual(task: CopyTask): Promise<boolean> {
  const queue = task.ranges.values();
  const unwanted = () => task.signal.aborted || !task.wanted();
  let differed = 0;
  async function work(): Promise<boolean> {
    for (const { offset, length } of queue) {
      for (;;) {
        await task.pacer.take(length);
        if (unwanted()) return false;
        try {
          const moved = await task.volume.copy(task.from, task.to, offset, length);
          differed += moved;
          task.onCopied(length, moved);
          break;
        } catch (err) {
          if (unwanted()) return false;
          const error = err as NativeError;
          if (error.slot === task.to && REFUSALS.has(error.code)) task.onRefused(error);
          task.log.warn(
            { err, from: task.from, to: task.to, offset, length },
            "a region could not be made equal",
          );
          await sleep(AGREEMENT_RETRY_MS, undefined, { signal: task.signal }).catch(() => undefined);
        }
      }
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
