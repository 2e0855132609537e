/** Every way in which the daemon changes a directory, one step per method: so that a test can end it between any two. */
import { link, open, rename, rm, unlink } from "node:fs/promises";

export interface Files {
  /** Creates or empties a small file and fills it, durably; its name is durable after `syncDirectory`. */
  write(path: string, content: string): Promise<void>;
  /** A new file of `size` bytes that are all a hole, durably. Fails with EEXIST when the name is taken. */
  createSparse(path: string, size: number): Promise<void>;
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** One that is not there is fine. */
  unlink(path: string): Promise<void>;
  /** A file, or a folder with all that is in it; one that is not there is fine. */
  removeTree(path: string): Promise<void>;
  /** Makes names created, renamed or removed in a directory durable. */
  syncDirectory(path: string): Promise<void>;
}

export const diskFiles: Files = {
  async write(path, content) {
    const file = await open(path, "w", 0o644);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
  },

  async createSparse(path, size) {
    const file = await open(path, "wx", 0o644);
    try {
      await file.truncate(size);
      await file.sync();
    } finally {
      await file.close();
    }
  },

  link,
  rename,

  async unlink(path) {
    try {
      await unlink(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  },

  async removeTree(path) {
    await rm(path, { recursive: true, force: true });
  },

  async syncDirectory(path) {
    const directory = await open(path, "r");
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
};
