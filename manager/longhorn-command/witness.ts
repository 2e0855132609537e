/** The witness of a volume, as a daemon that hosts replicas is told of it: in the form of Longhorn's commands, which have none. */
import { resolve } from "node:path";
import type { WitnessOptions } from "../../replica/witness-server.js";
import type { Flag, Options } from "./arguments.js";
import { listenOf } from "./flags.js";

export const WITNESS_COMMAND = "witness";

export const WITNESS_FLAGS: readonly Flag[] = [{ name: "listen", kind: "string", default: "" }];

/** @param globals options before the command
 * @throws {Error} what is wrong with them */
export function witnessOptions(globals: Options, options: Options, args: readonly string[]): WitnessOptions {
  const [directory = ""] = args;
  if (args.length !== 1 || directory === "") throw new Error("directory name is required");
  const volume = globals.string("volume-name");
  const { host, port } = listenOf(options);
  return { directory: resolve(directory), volume: volume === "" ? null : volume, host, port };
}
