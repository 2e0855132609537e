/** One engine of a machine at a time changes what the initiator is logged in to, Longhorn's included. */
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { lockFile } from "../../native/index.js";
import { LOCK_POLL_MS, LOCK_WAIT_MS } from "./limits.js";

/** @throws {Error} when others keep it for too long, or `work` does */
export async function withLock<T>(path: string, work: () => Promise<T>, waitMs = LOCK_WAIT_MS): Promise<T> {
  const fd = openSync(path, "a");
  try {
    const deadline = performance.now() + waitMs;
    while (!lockFile(fd)) {
      if (performance.now() > deadline) throw new Error(`${path} is held by another process`);
      await sleep(LOCK_POLL_MS);
    }
    return await work();
  } finally {
    closeSync(fd);
  }
}
