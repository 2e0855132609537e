/**
 * A file that is new, or empty, between two of ours: its data go past HTTP, by the addon (`native/src/sync/frame.h`), to the receiver's port.
 * The rest stays as it is: open and close, what is recorded of the file, and whatever a receiver has to compare.
 */
import { sendFile, type FileDestination } from "../../native/index.js";
import { ALLOWANCE_BYTES, ALLOWANCES_AHEAD } from "./limits.js";
import type { RateLimit } from "./rate-limit.js";

/** On the answer to `open` of a receiver that takes frames, and has nothing of the file. */
export const FRAMES_HEADER = "x-aurochs-frames";

/** @throws {Error} saying at what it failed */
export async function sendFrames(
  fd: number,
  size: number,
  to: FileDestination,
  rate: RateLimit,
): Promise<void> {
  let left = size;
  const allowMore = async () => {
    const bytes = Math.min(left, ALLOWANCE_BYTES);
    if (bytes === 0) return;
    left -= bytes;
    await rate.take(bytes);
    allow(bytes);
  };
  let unpaid = 0;
  const { sent, allow } = sendFile(fd, size, to, (bytes) => {
    for (unpaid += bytes; unpaid >= ALLOWANCE_BYTES; unpaid -= ALLOWANCE_BYTES) void allowMore();
  });
  for (let i = 0; i < ALLOWANCES_AHEAD; i++) void allowMore();
  await sent;
}
