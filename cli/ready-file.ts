/** A file by which a process tells scripts how things stand: there while it serves, replaced as a whole. */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

export class ReadyFile {
  #written = "";
  /** why it could not be written; "": it could */
  #failure = "";

  /** @param path null: nobody wants to be told */
  constructor(private readonly path: string | null) {}

  /** Writes what has changed. @param state as JSON
   * @returns why it could not be written, where that is new */
  write(state: object): Error | null {
    if (this.path === null) return null;
    const text = `${JSON.stringify(state)}\n`;
    if (text === this.#written) return null;
    try {
      writeFileSync(`${this.path}.tmp`, text);
      renameSync(`${this.path}.tmp`, this.path);
    } catch (error) {
      const { message } = error as Error;
      if (message === this.#failure) return null;
      this.#failure = message;
      return error as Error;
    }
    this.#written = text;
    this.#failure = "";
    return null;
  }

  /** @returns why it could not be removed; null: it is gone */
  remove(): Error | null {
    this.#written = "";
    try {
      if (this.path !== null) rmSync(this.path, { force: true });
      return null;
    } catch (error) {
      return error as Error;
    }
  }
}

/** @returns what another process tells; null when it does not (yet) */
export function readReadyFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}
