/** Flags of `longhorn` that its engines and replicas are started with. */
import { join } from "node:path";
import { parseHostPort, type HostPort } from "../../engine/host-port.js";
import type { Flag, Options } from "./arguments.js";
import { parseSize } from "./size.js";

/** Options before the command. */
export const GLOBAL_FLAGS: readonly Flag[] = [
  { name: "url", kind: "string", default: "http://localhost:9501", usage: "address of the engine" },
  { name: "volume-name", kind: "string", usage: "Name of the volume (for validation purposes)" },
  {
    name: "engine-instance-name",
    kind: "string",
    usage: "Name of the controller instance (for validation purposes)",
  },
  { name: "debug", kind: "bool" },
  { name: "help", aliases: ["h"], kind: "bool", usage: "show help" },
  { name: "version", aliases: ["v"], kind: "bool", usage: "print the version" },
];

export const REPLICA_INSTANCE_FLAG: Flag = {
  name: "replica-instance-name",
  kind: "string",
  usage: "Name of the replica instance (for validation purposes)",
};

export const SNAPSHOT_LIMIT_FLAGS = [
  { name: "snapshot-max-count", kind: "int", default: 250, usage: "Maximum number of snapshots to keep" },
  { name: "snapshot-max-size", kind: "string", usage: "Maximum total snapshot size in bytes or human readable 42kb, 42mb, 42gb" },
] as const; // prettier-ignore

export const DATA_PROTOCOL_FLAG = {
  name: "data-server-protocol",
  kind: "string",
  default: "tcp",
  usage:
    "tcp or unix: at the port behind the replica's, or at /host/var/lib/longhorn/unix-domain-socket/VOLUME.sock",
} as const;

export const SYNC_RATE_FLAG = {
  name: "sync-rate-limit",
  kind: "string",
  default: "",
  usage:
    "Bytes per second that files are sent to other replicas with, in bytes or human readable; 0 for no limit. " +
    "Without it the engine says how fast, as the volume's users allow; 64m where it does not, and no limit while nobody uses the volume",
} as const;

const SYNC_RATE_IN_USE = 64 << 20;

/** Where a server listens; without a host on all addresses. */
export function listenOf(options: Options): HostPort {
  const text = options.string("listen");
  return parseHostPort(text.startsWith(":") ? `0.0.0.0${text}` : text);
}

export function sizeOrZero(text: string): number {
  return text === "" ? 0 : parseSize(text);
}

/** @returns bytes per second; null: no limit */
export function rateLimitOf(options: Options): number | null {
  const text = options.string(SYNC_RATE_FLAG.name);
  if (text === "") return SYNC_RATE_IN_USE;
  const limit = parseSize(text);
  return limit === 0 ? null : limit;
}

/** Where Longhorn's engine finds the data of a volume that stays on its machine. */
const DATA_SOCKET_DIRECTORY = "/host/var/lib/longhorn/unix-domain-socket";

/** @returns the path of the unix socket that serves the volume's data; null: a port does
 * @throws {Error} */
export function dataSocketOf(options: Options, volume: string): string | null {
  const protocol = options.string(DATA_PROTOCOL_FLAG.name);
  if (protocol === "tcp") return null;
  if (protocol !== "unix") throw new Error(`unsupported data server protocol: ${protocol}`);
  if (volume === "") throw new Error("data-server-protocol unix needs --volume-name, which names the socket");
  if (volume.includes("/")) throw new Error(`no volume has the name ${volume}`);
  return join(DATA_SOCKET_DIRECTORY, `${volume}.sock`);
}
