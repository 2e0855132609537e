/** Stands in for `node:fs/promises`: as much of it as the replica uses. */
import { dirname } from "node:path";
import { diskOf, systemError, type Disk, type Inode } from "./disk.js";
import { simulation } from "./simulation.js";

type Stat = { isFile: () => boolean; isDirectory: () => boolean; size: number; blocks: number; ino: number };

function cached<T>(disk: Disk, work: () => T): Promise<T> {
  return simulation().answer(disk.cachedMs(), work);
}

function isDirectory(disk: Disk, path: string): boolean {
  for (const name of disk.names.keys()) if (name.startsWith(`${path}/`)) return true;
  return disk.names.has(path);
}

function statOf(disk: Disk, path: string): Stat {
  const inode = disk.names.get(path);
  if (inode === undefined) {
    if (!isDirectory(disk, path)) throw systemError("ENOENT", path);
    return { isFile: () => false, isDirectory: () => true, size: 0, blocks: 0, ino: 0 };
  }
  const blocks = inode.data.blocks.size * 8 + (inode.text.content.length > 0 ? 8 : 0);
  return { isFile: () => true, isDirectory: () => false, size: inode.size, blocks, ino: inode.number };
}

class FileHandle {
  constructor(
    private readonly disk: Disk,
    private readonly path: string,
    private readonly inode: Inode | null,
  ) {}

  private get file(): Inode {
    if (this.inode === null) throw systemError("EISDIR", this.path);
    return this.inode;
  }

  stat(): Promise<Stat> {
    return cached(this.disk, () => statOf(this.disk, this.path));
  }

  readFile(): Promise<string> {
    return cached(this.disk, () => this.file.text.content.toString("utf8"));
  }

  writeFile(content: string): Promise<void> {
    return cached(this.disk, () => {
      this.disk.check(this.path, content === "" ? 0 : 1);
      this.file.text.set(Buffer.from(content, "utf8"));
    });
  }

  truncate(bytes: number): Promise<void> {
    return cached(this.disk, () => {
      this.file.sparseBytes = bytes;
    });
  }

  sync(): Promise<void> {
    return simulation().answer(this.disk.syncMs(), () => {
      this.disk.check(this.path, 0);
      if (this.inode === null) this.disk.syncNames();
      else this.inode.sync();
    });
  }

  datasync(): Promise<void> {
    return this.sync();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export type { FileHandle };

export function open(path: string, flags = "r"): Promise<FileHandle> {
  const disk = diskOf(path);
  return cached(disk, () => {
    const found = disk.names.get(path);
    if (found !== undefined) {
      if (flags === "wx") throw systemError("EEXIST", path);
      if (flags === "w") found.text.set(Buffer.alloc(0));
      return new FileHandle(disk, path, found);
    }
    if (flags.startsWith("r")) {
      if (!isDirectory(disk, path)) throw systemError("ENOENT", path);
      return new FileHandle(disk, path, null);
    }
    disk.check(path, 1);
    return new FileHandle(disk, path, disk.create(path));
  });
}

export function readFile(path: string, encoding: "utf8"): Promise<string> {
  const disk = diskOf(path);
  return cached(disk, () => disk.find(path).text.content.toString(encoding));
}

export function writeFile(path: string, content: string): Promise<void> {
  return open(path, "w").then((file) => file.writeFile(content));
}

export function readdir(path: string): Promise<string[]> {
  const disk = diskOf(path);
  return cached(disk, () => {
    if (!isDirectory(disk, path)) throw systemError("ENOENT", path);
    return [...disk.names.keys()]
      .filter((name) => dirname(name) === path)
      .map((name) => name.slice(path.length + 1));
  });
}

export function stat(path: string): Promise<Stat> {
  const disk = diskOf(path);
  return cached(disk, () => statOf(disk, path));
}

export function rename(from: string, to: string): Promise<void> {
  const disk = diskOf(from);
  return cached(disk, () => {
    disk.check(to, 0);
    disk.rename(from, to);
  });
}

/** Names alone: the journal takes them in, whatever becomes of it. */
export function link(from: string, to: string): Promise<void> {
  const disk = diskOf(from);
  return cached(disk, () => disk.link(from, to));
}

export function unlink(path: string): Promise<void> {
  const disk = diskOf(path);
  return cached(disk, () => disk.unlink(path));
}

export function rm(path: string): Promise<void> {
  const disk = diskOf(path);
  return cached(disk, () => {
    for (const name of [...disk.names.keys()])
      if (name === path || name.startsWith(`${path}/`)) disk.unlink(name);
  });
}

/** @returns what `recursive` says: undefined, when nothing had to be made */
export function mkdir(path: string): Promise<string | undefined> {
  const disk = diskOf(path);
  return cached(disk, () => {
    if (isDirectory(disk, path)) return undefined;
    throw systemError("ENOENT", path);
  });
}
