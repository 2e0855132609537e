/** Stands in for `node:fs`: the calls of it that do not wait, and the descriptors of lock files and sockets. */
import { constants } from "node:fs";
import { diskOf, type Disk, type Inode } from "./disk.js";
import { runningProcess, type Process } from "./simulation.js";

export { constants };

/** What a descriptor stands for; freed by `closeSync` or with its process. */
interface Descriptor {
  inode: Inode | null;
  process: Process | null;
  close: () => void;
}

const descriptors = new Map<number, Descriptor>();
let last = 100;

export function newDescriptor(inode: Inode | null, close: () => void): number {
  const process = runningProcess() ?? null;
  const fd = ++last;
  const forget = process?.onDeath(() => closeSync(fd));
  const closeOnce = () => {
    forget?.();
    close();
  };
  descriptors.set(fd, { inode, process, close: closeOnce });
  return fd;
}

/** The same for a file of which nothing is left to be done when its process dies. */
export function newFileDescriptor(inode: Inode): number {
  descriptors.set(++last, { inode, process: runningProcess() ?? null, close: () => undefined });
  return last;
}

/** The file that a descriptor stands for. */
export function inodeOf(fd: number): Inode {
  const inode = descriptors.get(fd)?.inode;
  if (inode == null) throw new Error(`${fd} is no file`);
  return inode;
}

/** Another world begins. */
export function forgetDescriptors(): void {
  descriptors.clear();
}

export function closeSync(fd: number): void {
  const descriptor = descriptors.get(fd);
  descriptors.delete(fd);
  descriptor?.close();
}

/** `lockFile` of the addon. */
export function lockFile(fd: number): boolean {
  const { inode, process } = descriptors.get(fd) ?? { inode: null, process: null };
  if (inode === null || process === null) throw new Error(`${fd} is no file`);
  if (inode.lockedBy !== null) return false;
  inode.lockedBy = process;
  return true;
}

/** As Node's: what cannot be looked at is not there. */
export function existsSync(path: string): boolean {
  const disk = diskOf(path);
  try {
    disk.check("look", path);
  } catch {
    return false;
  }
  return disk.names.has(path);
}

export function openSync(path: string): number {
  const disk = diskOf(path);
  disk.check("look", path);
  const inode = disk.names.get(path) ?? create(disk, path);
  const process = runningProcess();
  return newDescriptor(inode, () => {
    if (inode.lockedBy === process) inode.lockedBy = null;
  });
}

function create(disk: Disk, path: string): Inode {
  disk.check("name", path, 1);
  return disk.create(path);
}

export function ftruncateSync(): void {
  // What the lock file says is for people.
}
export function writeSync(): number {
  return 0;
}
/** A lock file says nothing. */
export function readFileSync(file: string | number): string {
  return typeof file === "number" ? "" : diskOf(file).find(file).text.content.toString();
}
export function readdirSync(): string[] {
  return [];
}
export function mkdirSync(): void {
  // There are no directories but by the names of what is in them.
}
/** Sockets have no names here. */
export function rmSync(): void {
  // None is to be taken away.
}
const absent = (): never => {
  throw new Error("not simulated");
};
export { absent as statSync, absent as truncateSync, absent as writeFileSync };
