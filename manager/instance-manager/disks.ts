/** The node's disks: directories that are known by a file in them, and how much room they have. */
import { lstat, mkdir, readdir, readFile, realpath, rm, statfs } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import type { DiskStatus, ReplicaDirectory } from "../../proto/instance-manager.js";
import { RpcError } from "../../proto/rpc-error.js";
import { replaceFile, syncDirectory } from "../../replica/durable-file.js";
import { readDiskConfig, writeDiskConfig } from "./disk-config.js";
import { DiskPath } from "./disk-path.js";
import { AVAILABLE_STEP_BYTES, DISKS_PERIOD_MS, FIRST_LOOK_TIMEOUT_MS } from "./limits.js";
import { Serial } from "../../replica/serial.js";
import { readStateFile } from "./state-file.js";

/** As given to DiskInit: what the agent looks after, also after its end. */
interface KnownDisk {
  name: string;
  path: string;
  uuid: string;
}

export type DiskWatcher = (disk: DiskStatus | null, name: string) => void;

const REPLICAS = "replicas";
/** Of an open replica directory. */
const LOCK_NAME = "aurochs.lock";

export class Disks {
  readonly #known = new Map<string, KnownDisk>();
  readonly #told = new Map<string, DiskStatus>();
  readonly #watchers = new Set<DiskWatcher>();
  readonly #paths = new Map<string, DiskPath>();
  readonly #saves = new Serial();
  readonly #timer: NodeJS.Timeout;

  private constructor(
    private readonly file: string,
    /** whether a replica of this node uses a directory */
    private readonly isHosted: (directory: string) => boolean,
    private readonly log: Logger,
  ) {
    this.#timer = setInterval(() => void this.#lookAtAll(), DISKS_PERIOD_MS);
  }

  /** @throws {Error} the list of disks cannot be read */
  static async open(
    stateDirectory: string,
    isHosted: (directory: string) => boolean,
    log: Logger,
  ): Promise<Disks> {
    const file = join(stateDirectory, "disks.json");
    const known = (await readStateFile(file)) as KnownDisk[] | null;
    const disks = new Disks(file, isHosted, log);
    for (const disk of known ?? []) disks.#known.set(disk.name, disk);
    await disks.#lookAtAll(FIRST_LOOK_TIMEOUT_MS);
    return disks;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  list(): DiskStatus[] {
    return [...this.#told.values()];
  }

  /** @returns what ends it */
  watch(watcher: DiskWatcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  // -------------------------------------------------------------------------------------------- changes

  /** Makes a directory a disk, or finds that it is one.
   * @param uuid of the disk that it has to be already: where that is not mounted no other one is made; "": any
   * @throws {RpcError | Error} */
  async init(name: string, path: string, uuid: string): Promise<DiskStatus> {
    if (name === "" || !isAbsolute(path))
      throw new RpcError(status.INVALID_ARGUMENT, "a disk needs a name and an absolute path");
    const place = this.#at(path);
    if ((await place.look(() => Promise.resolve({}))) === null)
      throw new RpcError(status.FAILED_PRECONDITION, doesNotAnswer(path));
    const disk = await place.run(async () => {
      const other = [...this.#known.values()].find((one) => one.path === path && one.name !== name);
      if (other !== undefined) throw new RpcError(status.ALREADY_EXISTS, `${path} is the disk ${other.name}`);
      if (uuid === "") await mkdir(join(path, REPLICAS), { recursive: true });
      const config = (await readDiskConfig(path)) ?? (uuid === "" ? await writeDiskConfig(path, name) : null);
      if (config === null)
        throw new RpcError(status.FAILED_PRECONDITION, `${path} is no disk, and was to be ${uuid}`);
      if (uuid !== "" && config.diskUUID !== uuid)
        throw new RpcError(
          status.FAILED_PRECONDITION,
          `${path} holds the disk ${config.diskUUID}, not ${uuid}`,
        );
      const known = { name, path, uuid: config.diskUUID };
      this.#known.set(name, known);
      await this.#save();
      return known;
    });
    return this.#lookAt(disk);
  }

  async forget(name: string): Promise<void> {
    if (!this.#known.delete(name)) return;
    this.#told.delete(name);
    await this.#save();
    for (const watcher of [...this.#watchers]) watcher(null, name);
  }

  /** Removes a directory below DISK/replicas/ with all that is in it; links are removed, not followed.
   * @throws {RpcError} it is none, or in use */
  async removeReplicaDirectory(diskName: string, name: string): Promise<void> {
    const { path } = await this.#ready(diskName);
    await this.#at(path).run(async () => {
      this.#get(diskName);
      if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0"))
        throw new RpcError(status.INVALID_ARGUMENT, `"${name}" is no name of a replica's directory`);
      const folder = join(path, REPLICAS);
      // The folder itself might be a link to where other things are.
      if ((await realpath(folder)) !== join(await realpath(path), REPLICAS))
        throw new RpcError(status.FAILED_PRECONDITION, `${folder} is a link`);
      const directory = join(folder, name);
      const found = await lstat(directory).catch(() => null);
      if (found === null) return;
      if (!found.isDirectory())
        throw new RpcError(status.FAILED_PRECONDITION, `${directory} is no directory`);
      if (this.isHosted(directory) || (await isLocked(directory)))
        throw new RpcError(status.FAILED_PRECONDITION, `${directory} is used by a replica`);
      await rm(directory, { recursive: true });
      await syncDirectory(folder);
      this.log.info({ disk: diskName, directory }, "replica directory removed");
    });
  }

  // -------------------------------------------------------------------------------------------- questions

  /** Looks at a disk now. @throws {RpcError} NOT_FOUND */
  async scan(name: string): Promise<{ disk: DiskStatus; replicas: ReplicaDirectory[] }> {
    const disk = await this.#lookAt(this.#get(name));
    const { path, ready } = disk;
    return { disk, replicas: ready ? await this.#at(path).run(() => this.#replicasOn(path)) : [] };
  }

  async #replicasOn(path: string): Promise<ReplicaDirectory[]> {
    const folder = join(path, REPLICAS);
    const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    });
    const found: ReplicaDirectory[] = [];
    // In turn: a disk that hangs is to keep one thread.
    for (const { name } of entries.filter((entry) => entry.isDirectory())) {
      const directory = join(folder, name);
      found.push({ name, hosted: this.isHosted(directory), ...(await sizeOf(directory)) });
    }
    return found;
  }

  #get(name: string): KnownDisk {
    const disk = this.#known.get(name);
    if (disk === undefined) throw new RpcError(status.NOT_FOUND, `there is no disk ${name}`);
    return disk;
  }

  async #ready(name: string): Promise<DiskStatus> {
    const disk = await this.#lookAt(this.#get(name));
    if (!disk.ready) throw new RpcError(status.FAILED_PRECONDITION, `disk ${name}: ${disk.message}`);
    return disk;
  }

  #at(path: string): DiskPath {
    const present = this.#paths.get(path);
    if (present !== undefined) return present;
    const made = new DiskPath(path, () => {
      for (const disk of this.#known.values()) if (disk.path === path) void this.#lookAt(disk);
    });
    this.#paths.set(path, made);
    return made;
  }

  async #lookAtAll(timeoutMs?: number): Promise<void> {
    const disks = [...this.#known.values()];
    const found = await Promise.all(disks.map((disk) => this.#find(disk, timeoutMs)));
    // In this order: of two with one file system the first one has it.
    for (const [index, disk] of disks.entries()) this.#note(disk, found[index] ?? hanging(disk));
  }

  async #lookAt(disk: KnownDisk): Promise<DiskStatus> {
    return this.#note(disk, (await this.#find(disk)) ?? hanging(disk));
  }

  #find(disk: KnownDisk, timeoutMs?: number): Promise<DiskStatus | null> {
    return this.#at(disk.path).look(() => statusOf(disk), timeoutMs);
  }

  /** Tells when something has changed. */
  #note(disk: KnownDisk, status: DiskStatus): DiskStatus {
    const found = this.#withoutDuplicate(status);
    // Forgotten meanwhile, or made anew.
    if (this.#known.get(disk.name) !== disk) return found;
    const before = this.#told.get(disk.name);
    this.#told.set(disk.name, found);
    if (JSON.stringify(found) !== JSON.stringify(before)) {
      this.log.info({ disk: found }, "disk changed");
      for (const watcher of [...this.#watchers]) watcher(found, disk.name);
    }
    return found;
  }

  /** Room that two disks share must not be given twice: the one that was added later has none. */
  #withoutDuplicate(disk: DiskStatus): DiskStatus {
    if (!disk.ready) return disk;
    for (const name of this.#known.keys()) {
      if (name === disk.name) return disk;
      const earlier = this.#told.get(name);
      if (earlier?.ready === true && earlier.filesystemId === disk.filesystemId)
        return notReady(disk, "DiskFilesystemChanged", `it is on the same file system as disk ${name}`);
    }
    return disk;
  }

  #save(): Promise<void> {
    return this.#saves.run(() => replaceFile(this.file, JSON.stringify([...this.#known.values()], null, 1)));
  }
}

function notReady(disk: DiskStatus, reason: string, message: string): DiskStatus {
  return { ...disk, ready: false, reason, message };
}

function nothingOf({ name, path, uuid }: KnownDisk): DiskStatus {
  return {
    ...{ name, path, uuid, ready: true, reason: "", message: "", capacity: 0, available: 0 },
    ...{ filesystemType: "", filesystemId: "" },
  };
}

function doesNotAnswer(path: string): string {
  return `${path} does not answer: what was asked of it last has not come back`;
}

function hanging(disk: KnownDisk): DiskStatus {
  return notReady(nothingOf(disk), "NoDiskInfo", doesNotAnswer(disk.path));
}

async function statusOf(disk: KnownDisk): Promise<DiskStatus> {
  const { path, uuid } = disk;
  const nothing = nothingOf(disk);
  try {
    const config = await readDiskConfig(path);
    if (config === null)
      return notReady(nothing, "NoDiskInfo", `${path} is no disk: it has no longhorn-disk.cfg`);
    const { blocks, bavail, bsize, type } = await statfs(path);
    const { dev } = await lstat(path);
    const mount = await mountOf(path);
    const found = {
      ...nothing,
      uuid: config.diskUUID,
      capacity: blocks * bsize,
      available: Math.floor((bavail * bsize) / AVAILABLE_STEP_BYTES) * AVAILABLE_STEP_BYTES,
      filesystemType: mount?.type ?? `0x${type.toString(16)}`,
      filesystemId: dev.toString(16),
    };
    if (config.diskUUID !== uuid)
      return notReady(found, "DiskFilesystemChanged", `it was the disk ${uuid}, and is ${config.diskUUID}`);
    const why = mount?.options.find((option) => READ_ONLY.has(option));
    return why === undefined ? found : notReady(found, "NoDiskInfo", `${path} is read-only (${why})`);
  } catch (error) {
    return notReady(nothing, "NoDiskInfo", (error as Error).message);
  }
}

/** Of the mount table. The second one is ext4's after an error: what is cached can be read all the same, even when the device is gone. */
const READ_ONLY: ReadonlySet<string> = new Set(["ro", "emergency_ro"]);

interface Mount {
  type: string;
  options: readonly string[];
}

/** That a path is below, as this process sees it. */
async function mountOf(path: string): Promise<Mount | null> {
  const real = await realpath(path);
  const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n").map((line) => line.split(" "));
  let best: (Mount & { length: number }) | null = null;
  for (const [, point = "", type = "", options = ""] of mounts) {
    const isAbove = point === "/" || real === point || real.startsWith(`${point}/`);
    // The later of two at one point hides the other.
    if (isAbove && point.length >= (best?.length ?? 0))
      best = { length: point.length, type, options: options.split(",") };
  }
  return best;
}

/** Whether a process has it open, one that nobody here has started too: by the kernel's list of locks, proc(5). */
async function isLocked(directory: string): Promise<boolean> {
  const path = join(directory, LOCK_NAME);
  const lock = await lstat(path).catch(() => null);
  if (lock === null) return false;
  const [locks, holder] = await Promise.all([readFile("/proc/locks", "latin1"), readFile(path, "latin1")]);
  const { major, minor } = deviceOf(lock.dev);
  return locks.split("\n").some((line) => {
    // proc_locks(5): "1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE START END", the device in hexadecimal digits.
    const [, pid = "", device = "", inode = ""] = /\s(\d+)\s+([\da-f]+:[\da-f]+):(\d+)\s/.exec(line) ?? [];
    if (Number(inode) !== lock.ino) return false;
    // Some file systems have other numbers there than stat tells: the holder has written its process id down.
    return device === `${hex(major)}:${hex(minor)}` || pid === holder.trim();
  });
}

/** As makedev(3) puts them together. */
function deviceOf(device: number): { major: number; minor: number } {
  const low = device % 2 ** 32;
  const high = Math.floor(device / 2 ** 32);
  return {
    major: ((low >>> 8) & 0xfff) + (high & ~0xfff),
    minor: (low & 0xff) | ((low >>> 12) & 0xfff00),
  };
}

function hex(value: number): string {
  return value.toString(16).padStart(2, "0");
}

async function sizeOf(directory: string): Promise<{ size: number; problem: string }> {
  try {
    const { Size } = JSON.parse(await readFile(join(directory, "volume.meta"), "utf8")) as { Size?: unknown };
    if (typeof Size !== "number") throw new Error("volume.meta has no size");
    return { size: Size, problem: "" };
  } catch (error) {
    return { size: 0, problem: (error as Error).message };
  }
}
