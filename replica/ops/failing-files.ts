/** For tests: file operations of which one fails, or ends the process: then nothing is changed any more, not even to undo. */
import { writeFile } from "node:fs/promises";
import { diskFiles, type Files } from "../files.js";

export class Killed extends Error {}

export class FailingFiles implements Files {
  /** steps tried so far */
  steps = 0;
  /** those of them that change what is seen: ended before a sync, a directory looks as after it */
  readonly changes: number[] = [];
  /** names were changed since the last sync of the directory */
  unsynced = false;

  /** @param at the step that fails, from 1
   * @param how `kill`: neither it nor any later one is done, but for half of a file; else: it fails with this code */
  constructor(
    private readonly at: number,
    private readonly how: "kill" | "ENOSPC" | "EIO",
  ) {}

  async write(path: string, content: string): Promise<void> {
    await this.step(() => writeFile(path, content.slice(0, content.length / 2)));
    await this.step(() => diskFiles.write(path, content));
  }

  createSparse(path: string, size: number): Promise<void> {
    return this.step(() => diskFiles.createSparse(path, size));
  }

  link(from: string, to: string): Promise<void> {
    return this.step(() => diskFiles.link(from, to));
  }

  rename(from: string, to: string): Promise<void> {
    return this.step(() => diskFiles.rename(from, to));
  }

  unlink(path: string): Promise<void> {
    return this.step(() => diskFiles.unlink(path));
  }

  removeTree(path: string): Promise<void> {
    return this.step(() => diskFiles.removeTree(path));
  }

  async syncDirectory(path: string): Promise<void> {
    await this.attempt(() => diskFiles.syncDirectory(path));
    this.unsynced = false;
  }

  private async step(change: () => Promise<void>): Promise<void> {
    this.changes.push(this.steps + 1);
    await this.attempt(change);
  }

  private async attempt(change: () => Promise<void>): Promise<void> {
    this.steps++;
    if (this.how === "kill" && this.steps >= this.at) throw new Killed();
    if (this.steps === this.at)
      throw Object.assign(new Error(`${this.how}: made to fail`), { code: this.how });
    this.unsynced = true;
    await change();
  }
}
