/** A file by which a process tells scripts how things stand: there while it serves, replaced as a whole. */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

export class ReadyFile {
  #written = "";

  /** @param path null: nobody wants to be told */
  constructor(private readonly path: string | null) {}

  /** Writes what has changed. @param state as JSON */
  write(state: object): void {
    if (this.path === null) return;
    const text = `${JSON.stringify(state)}\n`;
    if (text === this.#written) return;
    writeFileSync(`${this.path}.tmp`, text);
    renameSync(`${this.path}.tmp`, this.path);
    this.#written = text;
  }

  remove(): void {
    if (this.path !== null) rmSync(this.path, { force: true });
    this.#written = "";
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
