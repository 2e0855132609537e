/** A log file that does not grow without end: what is older is in a second file, which has nothing before that. */
import {
  closeSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { LOG_BYTES_MAX } from "./limits.js";

/** Where what is older is. */
export function olderLog(path: string): string {
  return `${path}.1`;
}

/** Bytes that the log has by now: what comes behind them a process that is started next will have said. */
export function logLength(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Moves what a log that is too long holds: the newest `LOG_BYTES_MAX` bytes always stay. Its process writes on, to the end of the same file.
 * @throws {Error} and nothing is lost */
export function boundLog(path: string): void {
  const size = logLength(path);
  if (size <= LOG_BYTES_MAX) return;
  const next = `${olderLog(path)}.tmp`;
  const log = openSync(path, "r+");
  try {
    let end = copy(log, size - LOG_BYTES_MAX, next, "w");
    renameSync(next, olderLog(path));
    // What was written meanwhile; between the last look and the cut is next to no time.
    for (let start = -1; end > start;) {
      start = end;
      end = copy(log, start, olderLog(path), "a");
    }
    ftruncateSync(log, 0);
  } finally {
    closeSync(log);
  }
}

/** @param from byte of `log`
 * @returns byte of `log` up to which it is copied */
function copy(log: number, from: number, path: string, flag: "w" | "a"): number {
  const to = openSync(path, flag, 0o600);
  try {
    const bytes = Buffer.alloc(LOG_BYTES_MAX);
    const length = readSync(log, bytes, 0, bytes.length, from);
    for (let written = 0; written < length;) written += writeSync(to, bytes, written, length - written);
    return from + length;
  } finally {
    closeSync(to);
  }
}

export function removeLog(path: string): void {
  for (const file of [path, olderLog(path)]) rmSync(file, { force: true });
}
