/** Mounting and unmounting. All of it may be repeated, whatever a call before, or another driver, has left. */
import { readFile, stat } from "node:fs/promises";
import { notNow } from "../errors.js";
import { MOUNTS_PER_PATH_MAX, UNMOUNT_TIMEOUT_MS } from "../limits.js";
import { isTimeout, type Commands } from "./commands.js";
import { deviceNumber } from "./device.js";
import { parseMountTable, type Mount } from "./mount-table.js";

/** Longhorn's name of the file by which a mount shows that it can be written to. */
const PROBE_FILE = ".longhorn-volume-mount-point-test.tmp";

/** What a healthy file system may answer as well. */
const FULL = /No space left on device|Disk quota exceeded/;

export class Mounts {
  constructor(private readonly commands: Commands) {}

  /** @returns the one that is seen there, null where nothing is mounted */
  async at(path: string): Promise<Mount | null> {
    return (await this.#all(path)).at(-1) ?? null;
  }

  /** Whether a file system is mounted from a device, wherever.
   * @param number `MAJOR:MINOR` */
  async isMounted(number: string): Promise<boolean> {
    return (await readTable()).some(({ device }) => device === number);
  }

  async mount(device: string, path: string, type: string, options: readonly string[]): Promise<void> {
    const flags = options.length === 0 ? [] : ["-o", options.join(",")];
    await this.commands.run("mount", ["-t", type, ...flags, device, path]);
  }

  /** @param options of this mount alone; the file system has its own */
  async bind(from: string, to: string, options: readonly string[]): Promise<void> {
    await this.commands.run("mount", ["--bind", from, to]);
    await this.limit(to, options);
  }

  /** Gives a bind mount its options: it cannot have them from the first moment. */
  async limit(path: string, options: readonly string[]): Promise<void> {
    if (options.length > 0)
      await this.commands.run("mount", ["-o", ["remount", "bind", ...options].join(","), path]);
  }

  /** Has a file system write what it has not written yet. Its last mount does that when it goes, but others may be where nobody sees them
   * from here, as of containers that were started while it was mounted. One that cannot write any more has nothing to be waited for.
   * @throws {RpcError} ABORTED: it is still being written */
  async flush(path: string): Promise<void> {
    const mount = await this.at(path);
    if (mount === null || (await this.#isLost(mount))) return;
    try {
      await this.commands.run("sync", ["--file-system", path], { timeoutMs: UNMOUNT_TIMEOUT_MS });
    } catch (error) {
      if (isTimeout(error) && !(await this.#isLost(mount)))
        throw notNow(`${path} is still being written: ${error.message}`);
    }
  }

  /** Takes away everything that is mounted on a path. What is in use stays, and is an error, and what is not written yet is waited
   * for: only where the device is gone, nobody can have either.
   * @throws {CommandError} it is in use
   * @throws {RpcError} ABORTED: it is still being written */
  async unmount(path: string): Promise<void> {
    for (let round = 0; round < MOUNTS_PER_PATH_MAX; round++) {
      const mount = await this.at(path);
      if (mount === null) return;
      try {
        await this.commands.run("umount", [path], { timeoutMs: UNMOUNT_TIMEOUT_MS });
      } catch (error) {
        if ((await this.at(path)) === null) return;
        if (await this.#isLost(mount)) await this.commands.run("umount", ["--lazy", path]);
        else throw isTimeout(error) ? notNow(`${path} is still being unmounted: ${error.message}`) : error;
      }
    }
    throw new Error(`${path} has more than ${MOUNTS_PER_PATH_MAX} mounts`);
  }

  /** Whether files can be written there: a device that was lost, or an error, may have made that impossible.
   * @returns null: they can; in words what is wrong
   * @throws {RpcError} ABORTED: there is no answer yet, which is no fault */
  async fault(path: string): Promise<string | null> {
    const mount = await this.at(path);
    if (mount === null) return "nothing is mounted there";
    if (await this.#isLost(mount)) return `its device ${mount.device} is gone`;
    const isReadOnly = mount.options.includes("ro");
    const script = `cd "$1" && stat -f . >/dev/null${isReadOnly ? "" : ' && : >"$2" && rm -f "$2"'}`;
    try {
      await this.commands.run("sh", ["-c", script, "sh", path, PROBE_FILE]);
    } catch (error) {
      const { message } = error as Error;
      if (isTimeout(error)) throw notNow(`${path} does not answer: ${message}`);
      if (!FULL.test(message)) return message;
    }
    return null;
  }

  async #all(path: string): Promise<Mount[]> {
    return (await readTable()).filter((mount) => mount.path === path);
  }

  /** Of file systems on block devices alone; device files are on another one, and show by their number what they stand for. */
  async #isLost({ device, path }: Mount): Promise<boolean> {
    const found = await stat(path).catch(() => null);
    const number = found?.isBlockDevice() === true ? deviceNumber(found.rdev) : device;
    if (number.startsWith("0:")) return false;
    return (await stat(`/sys/dev/block/${number}`).catch(() => null)) === null;
  }
}

async function readTable(): Promise<Mount[]> {
  return parseMountTable(await readFile("/proc/self/mountinfo", "utf8"));
}
