/** Stands in for `node:fs/promises`: as much of it as the replica uses. */
import { diskOf, systemError, type Disk, type DiskOp, type Inode } from "./disk.js";
import { closeSync, newFileDescriptor } from "./fs.js";
import { BLOCK_BYTES, BLOCK_SECTORS, bytesOf, SECTOR_BYTES, sectorsOf } from "./sectors.js";
import { simulation } from "./simulation.js";

interface Stat {
  isFile: () => boolean;
  isDirectory: () => boolean;
  size: number;
  blocks: number;
  nlink: number;
  ino: number;
  dev: number;
  ctimeNs: bigint;
  mtimeNs: bigint;
}

/** Files of which blocks are kept; all others are small. */
const DATA_FILE = /\.img(\.receiving)?$/;

function cached<T>(disk: Disk, work: () => T): Promise<T> {
  return simulation().answer(disk.cachedMs(), work);
}

/** At a path that it names. */
function at<T>(path: string, op: DiskOp, work: (disk: Disk) => T): Promise<T> {
  const disk = diskOf(path);
  return cached(disk, () => {
    disk.check(op, path);
    return work(disk);
  });
}

function isDirectory(disk: Disk, path: string): boolean {
  const prefix = `${path}/`;
  for (const name of disk.names.keys()) if (name.startsWith(prefix)) return true;
  return disk.names.has(path);
}

function statOf(disk: Disk, path: string): Stat {
  const inode = disk.names.get(path);
  if (inode === undefined) {
    if (!isDirectory(disk, path)) throw systemError("ENOENT", path);
    const times = { ctimeNs: 0n, mtimeNs: 0n };
    return { isFile: () => false, isDirectory: () => true, size: 0, blocks: 0, nlink: 1, ino: 0, dev: 0, ...times }; // prettier-ignore
  }
  const blocks = inode.data.blocks.size * BLOCK_SECTORS + (inode.text.content.length > 0 ? BLOCK_SECTORS : 0);
  const { size, number: ino, ctimeNs } = inode;
  const times = { ctimeNs, mtimeNs: ctimeNs };
  return {
    ...{ isFile: () => true, isDirectory: () => false, size, blocks, ino, dev: 0, ...times },
    get nlink() {
      return [...disk.names.values()].filter((one) => one === inode).length;
    },
  };
}

class FileHandle {
  private descriptor: number | null = null;
  /** of the file's, that this one has been told of */
  private failedSyncs: number;

  constructor(
    private readonly disk: Disk,
    private readonly path: string,
    private readonly inode: Inode | null,
  ) {
    this.failedSyncs = inode?.failedSyncs ?? 0;
  }

  private cached<T>(op: DiskOp, work: () => T): Promise<T> {
    return cached(this.disk, () => {
      this.disk.check(op, this.path);
      return work();
    });
  }

  get fd(): number {
    return (this.descriptor ??= newFileDescriptor(this.file));
  }

  private get isData(): boolean {
    return DATA_FILE.test(this.path);
  }

  private get file(): Inode {
    if (this.inode === null) throw systemError("EISDIR", this.path);
    return this.inode;
  }

  stat(): Promise<Stat> {
    return this.cached("look", () => statOf(this.disk, this.path));
  }

  readFile(): Promise<string> {
    return this.cached("look", () => this.file.text.content.toString("utf8"));
  }

  writeFile(content: string): Promise<void> {
    return cached(this.disk, () => {
      this.disk.check("write", this.path, content === "" ? 0 : 1);
      this.file.text.set(Buffer.from(content, "utf8"));
    });
  }

  truncate(bytes: number): Promise<void> {
    return this.cached("trim", () => {
      const { file } = this;
      if (!this.isData) {
        const content = Buffer.alloc(bytes);
        file.text.content.copy(content);
        file.text.set(content);
        return;
      }
      for (const block of [...file.data.blocks.keys()])
        if (block * BLOCK_BYTES >= bytes) file.data.set(block, null);
      file.sparseBytes = bytes;
      file.changes++;
    });
  }

  read(
    into: Buffer,
    at: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number; buffer: Buffer }> {
    return this.cached("read", () => {
      const bytes = Math.max(0, Math.min(length, this.file.size - position));
      const content = this.isData
        ? dataOf(this.file, position, bytes)
        : this.file.text.content.subarray(position, position + bytes);
      content.copy(into, at);
      return { bytesRead: bytes, buffer: into };
    });
  }

  write(
    from: Uint8Array,
    at: number,
    length: number,
    position: number,
  ): Promise<{ bytesWritten: number; buffer: Uint8Array }> {
    return cached(this.disk, () => {
      const { file } = this;
      const data = from.slice(at, at + length);
      if (this.isData) {
        this.disk.check("write", this.path, Math.ceil(length / BLOCK_BYTES));
        putData(file, position, data);
      } else {
        this.disk.check("write", this.path, 1);
        const content = Buffer.alloc(Math.max(file.text.content.length, position + length));
        file.text.content.copy(content);
        content.set(data, position);
        file.text.set(content);
      }
      return { bytesWritten: length, buffer: from };
    });
  }

  sync(): Promise<void> {
    return simulation().answer(this.disk.syncMs(), () => {
      const { disk, inode } = this;
      if (inode === null) {
        disk.check("sync", this.path);
        disk.syncNames();
        return;
      }
      if (disk.fails("sync", this.path)) inode.failSync();
      const isNews = this.failedSyncs !== inode.failedSyncs;
      this.failedSyncs = inode.failedSyncs;
      if (isNews) throw systemError("EIO", this.path);
      inode.sync();
    });
  }

  datasync(): Promise<void> {
    return this.sync();
  }

  close(): Promise<void> {
    if (this.descriptor !== null) closeSync(this.descriptor);
    this.descriptor = null;
    return Promise.resolve();
  }
}

export type { FileHandle };

function dataOf({ data }: Inode, offset: number, length: number): Buffer {
  const sectors = new Int32Array(Math.ceil(length / BLOCK_BYTES) * BLOCK_SECTORS);
  for (let done = 0; done < length; done += BLOCK_BYTES) {
    const found = data.blocks.get((offset + done) / BLOCK_BYTES);
    if (found !== undefined) sectors.set(found, done / SECTOR_BYTES);
  }
  return bytesOf(sectors).subarray(0, length);
}

/** Whole blocks: nothing else is written but by stores. */
function putData({ data }: Inode, offset: number, bytes: Uint8Array): void {
  const sectors = sectorsOf(bytes);
  for (let done = 0; done < bytes.length; done += BLOCK_BYTES) {
    const first = done / SECTOR_BYTES;
    data.set((offset + done) / BLOCK_BYTES, sectors.slice(first, first + BLOCK_SECTORS));
  }
}

export function open(path: string, flags = "r"): Promise<FileHandle> {
  return at(path, "look", (disk) => {
    const found = disk.names.get(path);
    if (found !== undefined) {
      if (flags === "wx") throw systemError("EEXIST", path);
      if (flags.startsWith("w")) {
        disk.check("trim", path);
        empty(found);
      }
      return new FileHandle(disk, path, found);
    }
    if (flags.startsWith("r")) {
      if (!isDirectory(disk, path)) throw systemError("ENOENT", path);
      return new FileHandle(disk, path, null);
    }
    disk.check("name", path, 1);
    return new FileHandle(disk, path, disk.create(path));
  });
}

function empty(inode: Inode): void {
  if (inode.text.content.length > 0) inode.text.set(Buffer.alloc(0));
  for (const block of [...inode.data.blocks.keys()]) inode.data.set(block, null);
  inode.sparseBytes = 0;
}

export function readFile(path: string, encoding: "utf8"): Promise<string> {
  return at(path, "look", (disk) => disk.find(path).text.content.toString(encoding));
}

export function writeFile(path: string, content: string): Promise<void> {
  return open(path, "w").then((file) => file.writeFile(content));
}

export function readdir(path: string): Promise<string[]> {
  return at(path, "look", (disk) => {
    if (!isDirectory(disk, path)) throw systemError("ENOENT", path);
    const prefix = `${path}/`;
    const found: string[] = [];
    for (const name of disk.names.keys())
      if (name.startsWith(prefix) && !name.includes("/", prefix.length))
        found.push(name.slice(prefix.length));
    return found;
  });
}

export function stat(path: string): Promise<Stat> {
  return at(path, "look", (disk) => statOf(disk, path));
}

export { stat as lstat };

export function rename(from: string, to: string): Promise<void> {
  return at(from, "name", (disk) => disk.rename(from, to));
}

export function link(from: string, to: string): Promise<void> {
  const disk = diskOf(from);
  return cached(disk, () => {
    disk.link(from, to);
  });
}

export function unlink(path: string): Promise<void> {
  return at(path, "trim", (disk) => disk.unlink(path));
}

export function rm(path: string): Promise<void> {
  return at(path, "trim", (disk) => {
    for (const name of [...disk.names.keys()])
      if (name === path || name.startsWith(`${path}/`)) disk.unlink(name);
  });
}

/** @returns what `recursive` says: undefined, when nothing had to be made */
export function mkdir(path: string): Promise<string | undefined> {
  return at(path, "look", (disk) => {
    if (isDirectory(disk, path)) return undefined;
    throw systemError("ENOENT", path);
  });
}
