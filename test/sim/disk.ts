/**
 * One machine's disk and file system: names, small files, sparse files. Names change in the order of a journal, of which a
 * power cut loses the end; content that was not synced is lost as `block-file.ts` says.
 */
import { BlockFile } from "./block-file.js";
import { EPOCH_MS, runningProcess, simulation, type Process } from "./simulation.js";
import type { Random } from "./random.js";

/**
 * What a disk may fail at: to read blocks of a file, or what a name stands for, or a small file; to write; to sync a file or a directory; to
 * make a name, or to put one in another's place; to link, remove or cut off a file.
 */
export type DiskOp = "read" | "look" | "write" | "sync" | "name" | "trim";

export const DISK_OPS: readonly DiskOp[] = ["read", "look", "write", "sync", "name", "trim"];

/** What a disk does not do: each with this probability. */
export interface Failing {
  chance: number;
  at: ReadonlySet<DiskOp>;
}

/** A small file's content, or a map's: replaced as a whole. */
export class WholeFile<T> {
  private pending: T[] = [];
  /** by a sync that failed: no other one writes what there was then */
  private isDropped = false;
  /** how often it was replaced */
  changes = 0;
  private durable: T;

  constructor(
    public content: T,
    /** what a power cut may leave of content that was being written */
    private readonly torn: (content: T) => T,
  ) {
    this.durable = content;
  }

  set(content: T): void {
    this.content = content;
    this.changes++;
    this.pending.push(content);
    this.isDropped = false;
  }

  sync(): void {
    if (!this.isDropped) this.keep();
  }

  private keep(): void {
    this.durable = this.content;
    this.pending = [];
    this.isDropped = false;
  }

  /** As `BlockFile.failSync`. */
  failSync(random: Random): void {
    if (this.pending.length === 0) return;
    if (random.chance(0.5)) this.lose(random);
    else this.isDropped = true;
  }

  /** Durable as it is now. */
  copy(): WholeFile<T> {
    return new WholeFile(this.content, this.torn);
  }

  cutPower(random: Random): void {
    this.lose(random);
  }

  private lose(random: Random): void {
    const states = [this.durable, ...this.pending];
    const left = random.pick(states);
    this.content = this.pending.length > 0 && random.chance(0.3) ? this.torn(left) : left;
    this.keep();
  }
}

export class Inode {
  text = new WholeFile<Buffer>(Buffer.alloc(0), (content) => content.subarray(0, content.length >> 1));
  data = new BlockFile();
  /** a map of a store, if it is one */
  map: WholeFile<unknown> | null = null;
  /** of a sparse file, bytes; 0: a small one */
  sparseBytes = 0;
  lockedBy: Process | null = null;
  /** of its names and its size */
  changes = 0;
  /** of which each who had it open is told once */
  failedSyncs = 0;

  constructor(
    readonly number: number,
    /** ns since 1970 */
    private readonly createdNs: bigint,
  ) {}

  /** Another one after each change, as a file system's is. */
  get ctimeNs(): bigint {
    return this.createdNs + BigInt(this.changes + this.text.changes + this.data.changes);
  }

  get size(): number {
    return Math.max(this.sparseBytes, this.text.content.length);
  }

  /** Durable as it is now. */
  copy(): Inode {
    const copy = new Inode(this.number, this.createdNs);
    Object.assign(copy, { text: this.text.copy(), data: this.data.copy(), map: this.map?.copy() ?? null });
    Object.assign(copy, { sparseBytes: this.sparseBytes, changes: this.changes + 1 });
    return copy;
  }

  sync(): void {
    this.text.sync();
    this.data.endSync(this.data.beginSync());
  }

  /** What was to be written is dropped, as by Linux: see `BlockFile.failSync`. */
  failSync(): void {
    const { random } = simulation();
    this.failedSyncs++;
    this.text.failSync(random);
    this.data.failSync(random);
    this.map?.failSync(random);
  }

  cutPower(random: Random): void {
    this.text.cutPower(random);
    this.data.cutPower(random);
    this.map?.cutPower(random);
    this.lockedBy = null;
  }
}

type NameChange = (names: Map<string, Inode>) => void;

export class Disk {
  readonly names = new Map<string, Inode>();
  /** of the last time that the directory was synced, and what was changed since */
  private durable = new Map<string, Inode>();
  private journal: NameChange[] = [];
  private inodes = 0;
  /** blocks that may still be allocated */
  freeBlocks = Infinity;
  failing: Failing | null = null;
  /** its file system takes no change any more, until the machine is started again */
  isShut = false;
  /** files that are the kernel's */
  readonly sound = new Set<string>();
  /** how many times slower than usual */
  slowness = 1;
  /** the replica cannot tell any more what of it is durable */
  onStoreFailed: () => void = () => undefined;

  constructor(readonly machine: string) {}

  find(path: string): Inode {
    const inode = this.names.get(path);
    if (inode === undefined) throw systemError("ENOENT", path);
    return inode;
  }

  create(path: string): Inode {
    const inode = new Inode(++this.inodes, BigInt(Math.floor(EPOCH_MS + simulation().now)) * 1_000_000n);
    this.change((names) => names.set(path, inode));
    return inode;
  }

  rename(from: string, to: string): void {
    const inode = this.find(from);
    inode.changes++;
    this.change((names) => {
      names.set(to, inode);
      names.delete(from);
    });
  }

  link(from: string, to: string): void {
    const inode = this.find(from);
    // Who has opened it has all in the cache that this takes: it fails where the file system has shut down, as after a journal's error.
    if (this.fails("trim", from)) this.isShut = true;
    if (this.isShut) throw systemError("EIO", to);
    if (this.names.has(to)) throw systemError("EEXIST", to);
    inode.changes++;
    this.change((names) => names.set(to, inode));
  }

  unlink(path: string): void {
    this.find(path).changes++;
    this.change((names) => names.delete(path));
  }

  /** What a directory holds, by its paths. */
  backup(directory: string): ReadonlyMap<string, Inode> {
    const files = [...this.names].filter(([path]) => path.startsWith(`${directory}/`));
    return new Map(files.map(([path, inode]) => [path, inode.copy()]));
  }

  /** Nobody has it open, and it is as it was then, durably. */
  restore(directory: string, backup: ReadonlyMap<string, Inode>): void {
    for (const path of [...this.names.keys()]) if (path.startsWith(`${directory}/`)) this.names.delete(path);
    for (const [path, inode] of backup) this.names.set(path, inode.copy());
    this.keepNames();
  }

  private change(change: NameChange): void {
    change(this.names);
    this.journal.push(change);
  }

  syncNames(): void {
    this.keepNames();
  }

  /** All names are durable as they are, without anybody's doing. */
  keepNames(): void {
    this.durable = new Map(this.names);
    this.journal = [];
  }

  cutPower(random: Random): void {
    const all = new Set([...this.names.values(), ...this.durable.values()]);
    for (const change of this.journal.slice(0, random.below(this.journal.length + 1))) change(this.durable);
    this.names.clear();
    for (const [path, inode] of this.durable) this.names.set(path, inode);
    this.journal = [];
    this.isShut = false;
    for (const inode of all) inode.cutPower(random);
  }

  /** ms that a write into the cache takes, and one that waits for the disk */
  cachedMs(): number {
    return simulation().random.between(0.01, 0.1) * this.slowness;
  }
  syncMs(): number {
    return simulation().random.between(0.2, 4) * this.slowness;
  }

  /** @param blocks that it allocates
   * @throws what a disk that fails, or is full, says */
  check(op: DiskOp, path: string, blocks = 0): void {
    if (this.fails(op, path)) throw systemError("EIO", path);
    if (blocks > this.freeBlocks) throw systemError("ENOSPC", path);
    this.freeBlocks -= blocks;
  }

  fails(op: DiskOp, path: string): boolean {
    const { failing } = this;
    if (this.isShut && op !== "read" && op !== "look" && !this.sound.has(path)) return true;
    return (
      failing?.at.has(op) === true && !this.sound.has(path) && simulation().random.chance(failing.chance)
    );
  }
}

const disks = new Map<string, Disk>();

export function setDisks(all: Iterable<Disk>): void {
  disks.clear();
  for (const disk of all) disks.set(disk.machine, disk);
}

/** The disk that a path (`/MACHINE/...`) lies on. */
export function diskOf(path: string): Disk {
  const machine = path.slice(1, path.indexOf("/", 1));
  const disk = disks.get(machine);
  if (disk === undefined) throw systemError("ENOENT", path);
  const process = runningProcess();
  if (process !== undefined && process.machine !== machine) throw new Error(`${process.name} reads ${path}`);
  return disk;
}

const TEXT: Record<string, string> = {
  ENOENT: "no such file or directory",
  EEXIST: "file already exists",
  ENOSPC: "no space left on device",
  EIO: "i/o error",
};

export function systemError(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${TEXT[code] ?? code}, '${path}'`), { code, path });
}
