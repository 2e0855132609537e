/**
 * Volumes on this node: the device of one is formatted when it holds nothing, and mounted on a staging path; from there it is
 * bound to the paths of pods. All of it is found again, so each step may be repeated, also after a crash in its middle.
 */
import { mkdir, open, rmdir, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { notNow, rpcErrorOf } from "./errors.js";
import type { Access, MountAccess } from "./capability.js";
import { numberOf, waitForDevice } from "./host/device.js";
import { cryptKeyOf } from "./host/crypt.js";
import { growFileSystem, mountOptions, prepareFileSystem } from "./host/file-systems.js";
import type { Host } from "./host/host.js";

export interface Staged {
  volume: string;
  /** the volume's own */
  device: string;
  /** bytes */
  size: number;
  isEncrypted: boolean;
  stagingPath: string;
  access: Access;
  secrets: Readonly<Record<string, string>>;
  /** more arguments for mkfs */
  mkfsParameters: readonly string[];
}

/** What a bind mount can have; the rest belongs to the file system, and was given when that was mounted. */
const PER_MOUNT = new Set(["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime", "strictatime"]); // prettier-ignore

/** Where engines have the devices of volumes, by their names. */
const DEVICE_FOLDER = "/dev/longhorn";

const FOLDER_MODE = 0o750;
const FILE_MODE = 0o660;

export class Staging {
  constructor(
    private readonly host: Host,
    private readonly log: Logger,
  ) {}

  /** @throws {RpcError} */
  async stage(staged: Staged): Promise<void> {
    const isMade = await this.#isMade(staged);
    try {
      if (!isMade) await this.#make(staged);
      // A crash, or an expansion of the detached volume, may have left it smaller than its device.
      await this.#grow(staged);
    } catch (error) {
      if (!isMade && rpcErrorOf(error).code !== status.ABORTED) await this.#undo(staged, error);
      throw error;
    }
  }

  /** Kubernetes takes a volume whose staging failed for one that has nothing here, and never has it unstaged.
   * @throws {RpcError} ABORTED: something is still there */
  async #undo(staged: Staged, cause: unknown): Promise<void> {
    const { access, device, isEncrypted, volume } = staged;
    try {
      await this.#unmountStaging(staged);
      if (access.type === "block") await removeEmpty(devicePath(staged));
      if (isEncrypted && !(await this.#isClearDeviceUsed(staged)))
        await this.host.crypt.close(device, volume);
    } catch (error) {
      throw notNow(`${(cause as Error).message}; what was done before cannot be undone: ${(error as Error).message}`); // prettier-ignore
    }
  }

  /** What was staged and is not any more, or is broken, is staged anew.
   * @throws {RpcError} */
  async publish(staged: Staged, target: string, isReadOnly: boolean): Promise<void> {
    if (!(await this.#isMade(staged))) {
      await this.#make(staged);
      await this.#grow(staged);
    }
    const { access, stagingPath } = staged;
    const { mounts } = this.host;
    const isThere = await this.#isOurs(staged, target);
    if (!isThere) await mounts.unmount(target);
    if (access.type === "block") {
      if (!isThere) await this.#bindDevice(devicePath(staged), target);
      // Of a device file it keeps nobody from writing to the device; it is what Kubernetes asks for nevertheless.
      if (isReadOnly) await mounts.limit(target, ["ro"]);
      return;
    }
    const options = [...access.flags.filter((flag) => PER_MOUNT.has(flag)), ...(isReadOnly ? ["ro"] : [])];
    await mkdir(target, { recursive: true, mode: FOLDER_MODE });
    // An earlier call may not have come to the options.
    if (isThere) await mounts.limit(target, options);
    else await mounts.bind(stagingPath, target, options);
  }

  /** What is not there any more is no error. */
  async unpublish(target: string): Promise<void> {
    await this.host.mounts.unmount(target);
    await removeEmpty(target);
  }

  /** The staging path itself stays. */
  async unstage(volume: string, stagingPath: string): Promise<void> {
    const { mounts, crypt } = this.host;
    const file = join(stagingPath, volume);
    // A device is bound below, a file system is mounted on it: then what has that name inside of it is the user's.
    if ((await mounts.at(stagingPath)) !== null) {
      await mounts.flush(stagingPath);
      await mounts.unmount(stagingPath);
    }
    await mounts.unmount(file);
    await removeEmpty(file);
    await crypt.close(join(DEVICE_FOLDER, volume), volume);
  }

  /** Waits for its device first. */
  async #isMade(staged: Staged): Promise<boolean> {
    await waitForDevice(staged.device, staged.size);
    return this.#isStaged(staged);
  }

  async #make(staged: Staged): Promise<void> {
    const { access, device, volume } = staged;
    await this.#unmountStaging(staged);
    if (staged.isEncrypted && !(await this.#isClearDeviceUsed(staged)))
      await this.host.crypt.open(device, volume, cryptKeyOf(staged.secrets), access.type === "mount");
    if (access.type === "mount") await this.#mount(staged, access);
    else await this.#bindDevice(this.#source(staged), devicePath(staged));
  }

  async #grow(staged: Staged): Promise<void> {
    const { access, stagingPath: path } = staged;
    if (access.type === "block" || access.flags.includes("ro")) return;
    await growFileSystem(this.host.commands, { device: this.#source(staged), path, type: access.fileSystem });
  }

  /** A fault of what is on the staging path is for unstaging, that is, for a new mount. */
  async #isStaged(staged: Staged): Promise<boolean> {
    const { access, stagingPath, device, volume, isEncrypted } = staged;
    if (isEncrypted && !(await this.host.crypt.isOpen(device, volume))) return false;
    const path = access.type === "mount" ? stagingPath : devicePath(staged);
    if (!(await this.#isOurs(staged, path))) return false;
    if (access.type === "block") return true;
    const fault = await this.host.mounts.fault(path);
    if (fault !== null) this.log.warn({ volume, path, fault }, "a mount is made anew");
    return fault === null;
  }

  /** Whether what is mounted there is the volume, by its device as it is now. */
  async #isOurs(staged: Staged, path: string): Promise<boolean> {
    const mount = await this.host.mounts.at(path);
    if (mount === null) return false;
    const number = await numberOf(this.#source(staged));
    return number !== null && (staged.access.type === "mount" ? mount.device : await numberOf(path)) === number; // prettier-ignore
  }

  async #isClearDeviceUsed({ device, volume }: Staged): Promise<boolean> {
    const number = await numberOf(this.host.crypt.pathOf(volume));
    return number !== null && (await this.host.crypt.isOpen(device, volume)) && this.host.mounts.isMounted(number); // prettier-ignore
  }

  async #unmountStaging(staged: Staged): Promise<void> {
    const { mounts } = this.host;
    if (staged.access.type === "block") await mounts.unmount(devicePath(staged));
    else await mounts.unmount(staged.stagingPath);
  }

  async #mount(staged: Staged, { fileSystem: type, flags }: MountAccess): Promise<void> {
    const { commands, mounts } = this.host;
    const { stagingPath, volume, mkfsParameters: parameters } = staged;
    const device = this.#source(staged);
    const number = await numberOf(device);
    // One that pods still have mounted holds a file system, which is not looked at from the side.
    if (number === null || !(await mounts.isMounted(number)))
      await prepareFileSystem(commands, { device, volume, type, parameters });
    await mkdir(stagingPath, { recursive: true, mode: FOLDER_MODE });
    await mounts.mount(device, stagingPath, type, mountOptions(type, flags));
    this.log.info({ volume, path: stagingPath, device, type }, "file system mounted");
  }

  async #bindDevice(from: string, to: string): Promise<void> {
    await mkdir(dirname(to), { recursive: true, mode: FOLDER_MODE });
    await (await open(to, "a", FILE_MODE)).close();
    await this.host.mounts.bind(from, to, []);
    this.log.info({ device: from, path: to, name: basename(to) }, "device bound");
  }

  /** What is mounted: of an encrypted volume what is in clear. */
  #source({ isEncrypted, device, volume }: Staged): string {
    return isEncrypted ? this.host.crypt.pathOf(volume) : device;
  }
}

/** Where the device of a block volume is staged. */
function devicePath({ stagingPath, volume }: Staged): string {
  return join(stagingPath, volume);
}

/** A file that has something in it, or a folder, is nobody's mount point. */
async function removeEmpty(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found === null) return;
  if (found.isDirectory()) await rmdir(path);
  else if (found.isFile() && found.size === 0) await unlink(path);
  else throw new Error(`${path} is no mount point: it is left alone`);
}
