/** Why a program of ours ended, as its log says last. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { LAST_WORDS_LENGTH_MAX, LOG_END_BYTES } from "./limits.js";

/** @param from byte of the log behind which the process has written
 * @returns what its last fatal line says, in one line; "" when there is none at the end of the log */
export function lastWords(path: string, from: number): string {
  for (const line of endOf(path, from).split("\n").reverse()) {
    const words = fatalWords(line).replace(/\s+/g, " ").trim();
    if (words !== "") return words.slice(0, LAST_WORDS_LENGTH_MAX);
  }
  return "";
}

function endOf(path: string, from: number): string {
  try {
    const file = openSync(path, "r");
    try {
      const { size } = fstatSync(file);
      // One that is shorter was cut since: what it holds is all newer.
      const start = Math.max(from > size ? 0 : from, size - LOG_END_BYTES);
      const bytes = Buffer.alloc(Math.max(0, size - start));
      return bytes.toString("utf8", 0, readSync(file, bytes, 0, bytes.length, start));
    } finally {
      closeSync(file);
    }
  } catch {
    return ""; // nothing depends on it
  }
}

/** As the log of `aurochs` has it. */
interface Line {
  level?: number;
  msg?: string;
  reason?: string;
  err?: { message?: string };
}

const FATAL = 60;

function fatalWords(line: string): string {
  // As `longhorn` says what is wrong with its arguments.
  const [, quoted] = /^time="[^"]*" level=fatal .*\berror=("(?:[^"\\]|\\.)*")$/.exec(line) ?? [];
  try {
    if (quoted !== undefined) return JSON.parse(quoted) as string;
    if (!line.startsWith("{")) return "";
    const { level, msg = "", reason, err } = JSON.parse(line) as Line;
    return level === FATAL ? (err?.message ?? reason ?? msg) : "";
  } catch {
    return "";
  }
}
