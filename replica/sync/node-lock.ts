/** A lock that all sync agents of a node share, so that one of them hashes at a time: reading all disks at once would starve I/O. */
import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lockFile } from "../../native/index.js";

/** Where Longhorn has it. */
export const HASH_LOCK_PATH = "/host/var/lib/longhorn/.lock/hash";

const RETRY_PAUSE_MS = 1_000;

export class NodeLock {
  constructor(private readonly path: string) {}

  /** Does anybody hold it? */
  isHeld(): boolean {
    const fd = this.open();
    try {
      return !lockFile(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Waits for it, and frees it when `work` ends. */
  async with<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const fd = this.open();
    try {
      while (!lockFile(fd)) await sleep(RETRY_PAUSE_MS, undefined, { signal });
      return await work();
    } finally {
      closeSync(fd);
    }
  }

  private open(): number {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o755 });
    return openSync(this.path, constants.O_RDWR | constants.O_CREAT, 0o600);
  }
}
