/** `longhorn replica`: what its arguments say, for a process of its own and for a daemon that hosts many. */
import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { ReplicaOptions } from "../../replica/main.js";
import { parseArguments, type Flag, type Options } from "./arguments.js";
import {
  DATA_PROTOCOL_FLAG,
  dataSocketOf,
  GLOBAL_FLAGS,
  listenOf,
  rateLimitOf,
  REPLICA_INSTANCE_FLAG,
  sizeOrZero,
  SNAPSHOT_LIMIT_FLAGS,
  SYNC_RATE_FLAG,
} from "./flags.js";
import { parseSize } from "./size.js";

export const REPLICA_COMMAND = "replica";

/** Receivers at a time: a manager gives a replica ten ports in all. */
const SYNC_AGENT_PORTS_MAX = 1_000;

// prettier-ignore
export const REPLICA_FLAGS: readonly Flag[] = [
  { name: "listen", kind: "string", default: "localhost:9502" },
  { name: "backing-file", kind: "string", usage: "file, or directory that holds exactly one, to use as the base image of this disk" },
  { name: "sync-agent", kind: "bool", default: true },
  { name: "size", kind: "string", usage: "Volume size in bytes or human readable 42kb, 42mb, 42gb" },
  { name: "restore-from", kind: "string", usage: "accepted and ignored" },
  { name: "restore-name", kind: "string", usage: "accepted and ignored" },
  { name: "sync-agent-port-count", kind: "int", default: 10 },
  SYNC_RATE_FLAG,
  { name: "disableRevCounter", kind: "bool", usage: "To disable revision counter for every write" },
  DATA_PROTOCOL_FLAG,
  { name: "unmap-mark-disk-chain-removed", kind: "bool", usage: "To enable marking snapshot chain as removed during unmap" },
  REPLICA_INSTANCE_FLAG,
  ...SNAPSHOT_LIMIT_FLAGS,
  { name: "encrypted", kind: "bool", usage: "accepted and ignored" },
  { name: "boot-id-file", kind: "string", usage: "file that names the machine's boot, where /proc does not" },
];

/** @returns what `longhorn` is told to do: the command's name, and its own arguments; null: nothing
 * @throws {UsageError} */
export function commandOf(
  argv: readonly string[],
): { name: string; globals: Options; argv: string[] } | null {
  const { options: globals, args } = parseArguments(GLOBAL_FLAGS, argv, "before");
  const [name, ...rest] = args;
  return name === undefined ? null : { name, globals, argv: rest };
}

/** @param globals options before the command
 * @param args its positional arguments
 * @throws {Error} what is wrong with them */
export function replicaOptions(globals: Options, options: Options, args: readonly string[]): ReplicaOptions {
  const [directory = ""] = args;
  if (args.length !== 1 || directory === "") throw new Error("directory name is required");
  const { host, port } = listenOf(options);
  const size = options.string("size");
  const receivers = options.int("sync-agent-port-count");
  if (receivers < 1 || receivers > SYNC_AGENT_PORTS_MAX)
    throw new Error(`sync-agent-port-count must be from 1 to ${SYNC_AGENT_PORTS_MAX}`);
  const volume = globals.string("volume-name");
  const dataSocket = dataSocketOf(options, volume);
  const instanceName = options.string("replica-instance-name");
  const backingFile = options.string("backing-file");
  const bootIdFile = options.string("boot-id-file");
  const syncAgent = {
    portCount: receivers,
    rateLimit: rateLimitOf(options),
    limitsIdle: options.string(SYNC_RATE_FLAG.name) !== "",
    instanceName: instanceName === "" ? undefined : instanceName,
  };
  return {
    // From where the process stands.
    directory: resolve(directory),
    host,
    port,
    ...(dataSocket === null ? {} : { dataSocket }),
    size: size === "" ? null : parseSize(size),
    volume: volume === "" ? null : volume,
    ...(volume === "" ? { anyVolume: true } : {}),
    instanceName,
    replicaId: null,
    cache: "writeback",
    backingFile: backingFile === "" ? null : imageAt(backingFile),
    bootIdFile: bootIdFile === "" ? null : bootIdFile,
    startClosed: true,
    ...(options.bool("sync-agent") ? { syncAgent } : {}),
    revisionCounter: !options.bool("disableRevCounter"),
    snapshots: {
      countMax: options.int("snapshot-max-count"),
      bytesMax: sizeOrZero(options.string("snapshot-max-size")),
      unmapMarksRemoved: options.bool("unmap-mark-disk-chain-removed"),
    },
  };
}

/** @returns an absolute path */
function imageAt(path: string): string {
  const absolute = resolve(path);
  if (!statSync(absolute).isDirectory()) return absolute;
  const [name, ...others] = readdirSync(absolute);
  if (name === undefined || others.length > 0)
    throw new Error(`backing file directory ${path} must hold exactly one file`);
  return join(absolute, name);
}
