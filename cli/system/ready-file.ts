/** What a process tells of itself in a file. */
import { readFileSync } from "node:fs";

/** @returns null when there is none (yet) */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return null;
  }
}
