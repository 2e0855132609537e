/** Stands in for `node:fs`: the calls of it that do not wait, and the descriptors of lock files and sockets. */
import { constants } from "node:fs";
import { diskOf, type Inode } from "./disk.js";
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
  descriptors.set(++last, { inode, process, close });
  const fd = last;
  process?.onDeath(() => closeSync(fd));
  return fd;
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

export function existsSync(path: string): boolean {
  return diskOf(path).names.has(path);
}

export function openSync(path: string): number {
  const disk = diskOf(path);
  const inode = disk.names.get(path) ?? disk.create(path);
  const process = runningProcess();
  return newDescriptor(inode, () => {
    if (inode.lockedBy === process) inode.lockedBy = null;
  });
}

export function ftruncateSync(): void {
  // What the lock file says is for people.
}
export function writeSync(): number {
  return 0;
}
export function readFileSync(): string {
  return "";
}
export function readdirSync(): string[] {
  return [];
}
