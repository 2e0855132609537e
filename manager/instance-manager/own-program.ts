/** Which programs are ours: those are looked after more closely than others. */
import { accessSync, constants, realpathSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { commandOf, REPLICA_COMMAND } from "../longhorn-command/replica.js";
import { WITNESS_COMMAND } from "../longhorn-command/witness.js";

/** `engine` and `replica`: `longhorn controller` and `longhorn replica` of this version; a witness is looked after as a replica is. */
export type ProgramKind = "engine" | "replica" | "other";

/** @param longhorn path of our `longhorn` */
export function kindOf(binary: string, args: readonly string[], longhorn: string): ProgramKind {
  if (realPath(binary) !== realPath(longhorn)) return "other";
  try {
    const name = commandOf(args)?.name;
    if (name === REPLICA_COMMAND || name === WITNESS_COMMAND) return "replica";
    return name === "controller" ? "engine" : "other";
  } catch {
    return "other"; // it will say itself what is wrong with its arguments
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** @returns the absolute path of a program that is named by its path, or found in PATH; as given when it is not found */
export function programPath(binary: string, path = process.env["PATH"] ?? ""): string {
  if (binary.includes("/")) return isAbsolute(binary) ? binary : resolve(binary);
  for (const folder of path.split(delimiter)) {
    const candidate = join(folder, binary);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // in the next one
    }
  }
  return binary;
}
