/** Commands that run until a signal: an engine, a replica. */
import { parseHostPort } from "../../engine/host-port.js";
import { parseWitness } from "../../engine/witness-address.js";
import {
  DATA_PROTOCOL_FLAG,
  dataSocketOf,
  listenOf,
  rateLimitOf,
  REPLICA_INSTANCE_FLAG,
  sizeOrZero,
  SNAPSHOT_LIMIT_FLAGS,
  SYNC_RATE_FLAG,
} from "../../manager/longhorn-command/flags.js";
import { REPLICA_COMMAND, REPLICA_FLAGS, replicaOptions } from "../../manager/longhorn-command/replica.js";
import { SIZE_FLAGS, type Command, type Invocation } from "./command.js";
import { ExitError } from "./exit-error.js";
import { parseSize } from "../../manager/longhorn-command/size.js";
import { isVolumeName } from "./values.js";

/** Where Longhorn's clients look for a volume's socket. */
const RUN_DIRECTORY = "/var/run";

const controller: Command = {
  names: ["controller"],
  argumentsText: "VOLUME",
  flags: [
    { name: "listen", kind: "string", default: "localhost:9501" },
    ...SIZE_FLAGS,
    { name: "frontend", kind: "string", usage: "tgt-blockdev, tgt-iscsi, socket or rest; none when it is absent" },
    { name: "enable-backend", kind: "strings", default: ["tcp"], usage: "tcp, or file as well: plain files are copies then" },
    { name: "replica", kind: "strings", usage: "URL of a replica to start with (repeatable)" },
    { name: "witness", kind: "string", usage: "HOST:PORT of the volume's witness (aurochs witness), or those of its voters with commas between them: with it, one of two replicas can be gone on with. Not one of Longhorn's flags" },
    { name: "upgrade", kind: "bool", usage: "take over an existing frontend" },
    { name: "disableRevCounter", kind: "bool", usage: "To disable revision counter checking" },
    { name: "salvageRequested", kind: "bool", usage: "Start from the best replica when none can be proved to be current" },
    { name: "has-data", kind: "bool", usage: "The volume was served before: do not start from replicas of which none was ever used, as when their directories are gone. Not one of Longhorn's flags" },
    { name: "object-uid", kind: "string", usage: "of the manager's object that it is the engine of: nothing is done with it, the manager looks for it. Not one of Longhorn's flags" },
    { name: "engine-replica-timeout", kind: "int", default: 8, usage: "In seconds. Timeout between engine and replica(s)" },
    DATA_PROTOCOL_FLAG,
    { name: "unmap-mark-snap-chain-removed", kind: "bool", usage: "To enable marking snapshot chain as removed during unmap" },
    { name: "file-sync-http-client-timeout", kind: "int", default: 5, usage: "HTTP client timeout for replica file sync server" },
    ...SNAPSHOT_LIMIT_FLAGS,
    { name: "rebuild-sync-concurrent-limit", kind: "int", default: 1, usage: "sources of a rebuild at a time" },
    { name: "portal", kind: "strings", usage: "HOST:PORT where an iSCSI frontend listens (repeatable; default: 0.0.0.0:3260, for tgt-blockdev a port of its own)" },
    { name: "engine-id", kind: "string", usage: "what replicas record of this engine; made up when it is absent" },
    { name: "resume-from", kind: "strings", usage: "id of an engine that has crashed, in whose place this one comes (repeatable)" },
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
  const dataSocket = dataSocketOf(options, volume);
  for (const backend of options.strings("enable-backend"))
    if (backend !== "tcp" && backend !== "file") throw new Error(`Unsupported backend: ${backend}`);
  if (options.int("rebuild-sync-concurrent-limit") <= 0)
    throw new Error("rebuild-sync-concurrent-limit must be positive");
  const { runLonghornController } = await import("./controller.js");
  const end = await runLonghornController({
    volume,
    size,
    currentSize,
    instanceName: globals.string("engine-instance-name"),
    listen: listenOf(options),
    frontend: options.string("frontend"),
    replicas: options.strings("replica"),
    dataSocket,
    takesFiles: options.strings("enable-backend").includes("file"),
    witness: options.string("witness") === "" ? null : parseWitness(options.string("witness")),
    upgrade: options.bool("upgrade"),
    engineId: engineIdOf(options.string("engine-id")),
    resumeFrom: options.strings("resume-from"),
    disableRevisionCounter: options.bool("disableRevCounter"),
    salvageRequested: options.bool("salvageRequested"),
    hasData: options.bool("has-data"),
    replicaTimeoutS: options.int("engine-replica-timeout"),
    unmapMarkSnapChainRemoved: options.bool("unmap-mark-snap-chain-removed"),
    snapshotMaxCount: options.int("snapshot-max-count"),
    snapshotMaxSize: sizeOrZero(options.string("snapshot-max-size")),
    portals: options.strings("portal").map(parseHostPort),
    runDirectory: RUN_DIRECTORY,
    bootIdFile: options.string("boot-id-file") === "" ? null : options.string("boot-id-file"),
  });
  if (end !== null) throw new ExitError(end.code, end.reason);
}

function engineIdOf(text: string): string | null {
  if (text !== "" && !/^[\w-]{1,64}$/.test(text)) throw new Error(`invalid engine id ${text}`);
  return text === "" ? null : text;
}

const replica: Command = {
  names: [REPLICA_COMMAND],
  argumentsText: "DIRECTORY",
  flags: REPLICA_FLAGS,
  failure: "Error running start replica command: %",
  run: async ({ globals, options, args }) => {
    const hosted = replicaOptions(globals, options, args);
    const { runLonghornReplica } = await import("./replica.js");
    await runLonghornReplica(hosted);
  },
};

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
