/** Commands that run until a signal: an engine, a replica. */
import { parseHostPort, type HostPort } from "../../engine/host-port.js";
import type { Options } from "./arguments.js";
import { REPLICA_INSTANCE_FLAG, SIZE_FLAGS, type Command, type Invocation } from "./command.js";
import { ExitError } from "./exit-error.js";
import { isVolumeName, parseSize } from "./values.js";

/** Receivers at a time: a manager gives a replica ten ports in all. */
const SYNC_AGENT_PORTS_MAX = 1_000;

/** ENODATA: what Longhorn's manager looks for. */
const EXIT_NO_DATA = 61;

const SNAPSHOT_LIMIT_FLAGS = [
  { name: "snapshot-max-count", kind: "int", default: 250, usage: "Maximum number of snapshots to keep" },
  { name: "snapshot-max-size", kind: "string", usage: "Maximum total snapshot size in bytes or human readable 42kb, 42mb, 42gb" },
] as const; // prettier-ignore

const DATA_PROTOCOL_FLAG = {
  name: "data-server-protocol",
  kind: "string",
  default: "tcp",
  usage: "tcp or unix: between this engine and this replica data take TCP either way",
} as const;

const SYNC_RATE_FLAG = {
  name: "sync-rate-limit",
  kind: "string",
  default: "",
  usage:
    "Bytes per second that files are sent to other replicas with, in bytes or human readable; 0 for no limit. " +
    "Without it 64m, and no limit while nobody uses the volume",
} as const;

const SYNC_RATE_IN_USE = 64 << 20;

function listenOf(options: Options): HostPort {
  return parseHostPort(options.string("listen"));
}

function sizeOrZero(text: string): number {
  return text === "" ? 0 : parseSize(text);
}

/** @returns bytes per second; null: no limit */
function rateLimitOf(options: Options): number | null {
  const text = options.string(SYNC_RATE_FLAG.name);
  if (text === "") return SYNC_RATE_IN_USE;
  const limit = parseSize(text);
  return limit === 0 ? null : limit;
}

/** Engine and replica of a volume that stays on one machine are told to use a Unix socket; a replica tells our engine where
 * its data are, and both find each other. */
function checkProtocol(options: Options): void {
  const protocol = options.string("data-server-protocol");
  if (protocol !== "tcp" && protocol !== "unix")
    throw new Error(`unsupported data server protocol: ${protocol}`);
}

/** Where Longhorn's clients look for a volume's socket. */
const RUN_DIRECTORY = "/var/run";

const controller: Command = {
  names: ["controller"],
  argumentsText: "VOLUME",
  flags: [
    { name: "listen", kind: "string", default: "localhost:9501" },
    ...SIZE_FLAGS,
    { name: "frontend", kind: "string", usage: "tgt-blockdev, tgt-iscsi, socket or rest; none when it is absent" },
    { name: "enable-backend", kind: "strings", default: ["tcp"] },
    { name: "replica", kind: "strings", usage: "URL of a replica to start with (repeatable)" },
    { name: "upgrade", kind: "bool", usage: "take over an existing frontend" },
    { name: "disableRevCounter", kind: "bool", usage: "To disable revision counter checking" },
    { name: "salvageRequested", kind: "bool", usage: "Start from the best replica when none can be proved to be current" },
    { name: "engine-replica-timeout", kind: "int", default: 8, usage: "In seconds. Timeout between engine and replica(s)" },
    DATA_PROTOCOL_FLAG,
    { name: "unmap-mark-snap-chain-removed", kind: "bool", usage: "To enable marking snapshot chain as removed during unmap" },
    { name: "file-sync-http-client-timeout", kind: "int", default: 5, usage: "HTTP client timeout for replica file sync server" },
    ...SNAPSHOT_LIMIT_FLAGS,
    { name: "rebuild-sync-concurrent-limit", kind: "int", default: 1, usage: "sources of a rebuild at a time" },
    { name: "portal", kind: "strings", usage: "HOST:PORT where an iSCSI frontend listens (repeatable; default: 0.0.0.0:3260, for tgt-blockdev a port of its own)" },
    { name: "boot-id-file", kind: "string", usage: "file that names the machine's boot, where /proc does not" },
  ], // prettier-ignore
  failure: "Error running controller command",
  run: runController,
};

async function runController({ globals, options, args: [volume = ""] }: Invocation): Promise<void> {
  if (volume === "") throw new Error("volume name is required");
  if (!isVolumeName(volume)) throw new Error("invalid target name");
  if (options.string("size") === "") throw new Error("size is required");
  const size = parseSize(options.string("size"));
  if (options.string("current-size") === "") throw new Error("current-size is required");
  const currentSize = parseSize(options.string("current-size"));
  checkProtocol(options);
  for (const backend of options.strings("enable-backend"))
    if (backend !== "tcp" && backend !== "file") throw new Error(`Unsupported backend: ${backend}`);
  if (options.int("rebuild-sync-concurrent-limit") <= 0)
    throw new Error("rebuild-sync-concurrent-limit must be positive");
  const { runLonghornController } = await import("./controller.js");
  const noData = await runLonghornController({
    volume,
    size,
    currentSize,
    instanceName: globals.string("engine-instance-name"),
    listen: listenOf(options),
    frontend: options.string("frontend"),
    replicas: options.strings("replica"),
    upgrade: options.bool("upgrade"),
    disableRevisionCounter: options.bool("disableRevCounter"),
    salvageRequested: options.bool("salvageRequested"),
    replicaTimeoutS: options.int("engine-replica-timeout"),
    unmapMarkSnapChainRemoved: options.bool("unmap-mark-snap-chain-removed"),
    snapshotMaxCount: options.int("snapshot-max-count"),
    snapshotMaxSize: sizeOrZero(options.string("snapshot-max-size")),
    portals: options.strings("portal").map(parseHostPort),
    runDirectory: RUN_DIRECTORY,
    bootIdFile: options.string("boot-id-file") === "" ? null : options.string("boot-id-file"),
  });
  if (noData !== null) throw new ExitError(EXIT_NO_DATA, noData);
}

const replica: Command = {
  names: ["replica"],
  argumentsText: "DIRECTORY",
  flags: [
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
  ], // prettier-ignore
  failure: "Error running start replica command: %",
  run: runReplica,
};

async function runReplica({ globals, options, args }: Invocation): Promise<void> {
  const [directory = ""] = args;
  if (args.length !== 1 || directory === "") throw new Error("directory name is required");
  checkProtocol(options);
  const size = options.string("size");
  const syncAgentPorts = options.int("sync-agent-port-count");
  if (syncAgentPorts < 1 || syncAgentPorts > SYNC_AGENT_PORTS_MAX)
    throw new Error(`sync-agent-port-count must be from 1 to ${SYNC_AGENT_PORTS_MAX}`);
  const { runLonghornReplica } = await import("./replica.js");
  await runLonghornReplica({
    directory,
    volume: globals.string("volume-name"),
    instanceName: options.string("replica-instance-name"),
    listen: listenOf(options),
    syncRateLimit: rateLimitOf(options),
    syncLimitsIdle: options.string(SYNC_RATE_FLAG.name) !== "",
    syncAgentPorts: options.bool("sync-agent") ? syncAgentPorts : null,
    size: size === "" ? null : parseSize(size),
    backingFile: options.string("backing-file"),
    disableRevisionCounter: options.bool("disableRevCounter"),
    unmapMarksRemoved: options.bool("unmap-mark-disk-chain-removed"),
    snapshotMaxCount: options.int("snapshot-max-count"),
    snapshotMaxSize: sizeOrZero(options.string("snapshot-max-size")),
    bootIdFile: options.string("boot-id-file") === "" ? null : options.string("boot-id-file"),
  });
}

const syncAgent: Command = {
  names: ["sync-agent"],
  argumentsText: "",
  flags: [
    { name: "listen", kind: "string", default: "localhost:9504" },
    { name: "listen-port-range", kind: "string", default: "9700-9800" },
    {
      name: "replica",
      kind: "string",
      usage: "HOST:PORT of the replica; this process stands in its directory",
    },
    REPLICA_INSTANCE_FLAG,
    SYNC_RATE_FLAG,
  ],
  failure: "Error running sync-agent command",
  run: runSyncAgent,
};

async function runSyncAgent({ globals, options }: Invocation): Promise<void> {
  const replicaAddress = options.string("replica");
  if (replicaAddress === "") throw new Error("replica address is required");
  const { runLonghornSyncAgent } = await import("./sync-agent.js");
  await runLonghornSyncAgent({
    volume: globals.string("volume-name"),
    instanceName: options.string("replica-instance-name"),
    listen: listenOf(options),
    rateLimit: rateLimitOf(options),
    receiverPorts: parsePortRange(options.string("listen-port-range")),
    replicaAddress,
  });
}

function parsePortRange(text: string): { first: number; last: number } {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  const [first, last] = [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
  if (first < 1 || last < first || last > 65_535) throw new Error(`invalid listen port range ${text}`);
  return { first, last };
}

export const SERVER_COMMANDS: readonly Command[] = [controller, replica, syncAgent];
