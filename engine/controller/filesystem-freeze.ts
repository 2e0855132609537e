/**
 * The file system that is mounted from a volume's block device, frozen while a snapshot is taken: what it has in memory is
 * written first. It never stays frozen: not when the freeze or the snapshot takes too long, nor after an engine that was killed.
 */
import { execFile } from "node:child_process";
import { open, readFile, stat, type FileHandle } from "node:fs/promises";
import { promisify } from "node:util";
import type { Logger } from "pino";
import { withDeadline } from "../deadline.js";
import { FREEZE_MS_MAX } from "./limits.js";
import { mountOf } from "./mounts.js";

const run = promisify(execFile);

export class FilesystemFreeze {
  #busy = false;

  /** @param limitMs after which what is frozen, or being frozen, is let go */
  constructor(
    private readonly log: Logger,
    private readonly limitMs = FREEZE_MS_MAX,
  ) {}

  /** Does something while the file system on a device is frozen; or while it is not, when nothing is mounted from there or
   * it cannot be frozen in time.
   * @param device path of a block device
   * @throws {Error} something is done already; what `work` throws */
  async during<T>(device: string, work: () => Promise<T>): Promise<T> {
    if (this.#busy) throw new Error("filesystem is already being frozen for a different snapshot");
    this.#busy = true;
    try {
      const thaw = await this.#freeze(device);
      if (thaw === null) return await work();
      const timer = setTimeout(() => void thaw(), this.limitMs);
      try {
        return await work();
      } finally {
        clearTimeout(timer);
        await thaw();
      }
    } finally {
      this.#busy = false;
    }
  }

  /** @returns what ends it, once; null when it is not frozen */
  async #freeze(device: string): Promise<(() => Promise<void>) | null> {
    const mount = await mountedFrom(device);
    if (mount === null) {
      this.log.info({ device }, "nothing is mounted from the volume: the snapshot is taken without a freeze");
      return null;
    }
    // While it is open nobody unmounts it, and it is found even when it was detached.
    const directory = await open(mount, "r");
    this.log.info({ device }, `Freezing filesystem mounted at ${mount}`);
    const freezing = fsfreeze("-f", directory);
    let thawing: Promise<void> | null = null;
    const thaw = () => (thawing ??= this.#thaw(freezing, directory, mount));
    try {
      // It writes all that is dirty, to the volume.
      await withDeadline(freezing, this.limitMs);
      return thaw;
    } catch (err) {
      this.log.warn({ err, mount }, "filesystem could not be frozen: the snapshot is taken without a freeze");
      // A freeze that comes too late is not to stay.
      void thaw();
      return null;
    }
  }

  async #thaw(freezing: Promise<void>, directory: FileHandle, mount: string): Promise<void> {
    try {
      await freezing;
      this.log.info({}, `Unfreezing filesystem mounted at ${mount}`);
      await fsfreeze("-u", directory);
    } catch (err) {
      this.log.warn({ err, mount }, "filesystem was not unfrozen");
    } finally {
      await directory.close();
    }
  }

  /** Lets a file system go that an engine left frozen. One that is not frozen stays as it is. */
  async thawLeftover(device: string): Promise<void> {
    const mount = await mountedFrom(device).catch(() => null);
    if (mount === null) return;
    try {
      await run("fsfreeze", ["-u", mount], { timeout: this.limitMs });
      this.log.warn({ device }, `Unfreezing filesystem mounted at ${mount}: it was left frozen`);
    } catch (err) {
      this.log.debug({ err, mount }, "filesystem was not frozen");
    }
  }
}

/** @returns where the file system on a block device is mounted; null when it is not, or there is no such device */
async function mountedFrom(device: string): Promise<string | null> {
  const found = await stat(device).catch(() => null);
  if (found === null || !found.isBlockDevice()) return null;
  return mountOf(await readFile("/proc/self/mountinfo", "utf8"), found.rdev);
}

async function fsfreeze(flag: "-f" | "-u", directory: FileHandle): Promise<void> {
  await run("fsfreeze", [flag, `/proc/${process.pid}/fd/${directory.fd}`]);
}
