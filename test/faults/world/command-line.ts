/** The two command lines that engine and replicas are started by: ours, and Longhorn's, whose engine also takes snapshots and
 * adds replicas. */
import { REPLICA_TIMEOUT_MS } from "../limits.js";

export interface ReplicaStart {
  id: string;
  directory: string;
  /** `host:port` */
  listen: string;
  volume: string;
  /** bytes */
  size: string;
  bootIdFile: string;
}

export interface EngineStart {
  volume: string;
  /** bytes */
  size: string;
  /** `host:port` for initiators, and for control */
  portal: string;
  listen: string;
  bootIdFile: string;
  readyFile: string;
  replicas: readonly string[];
}

export interface CommandLine {
  name: "aurochs" | "longhorn";
  replica(start: ReplicaStart): string[];
  engine(start: EngineStart): string[];
  writesReadyFile: boolean;
  /** its engine opens the replicas itself, and does not take one that an engine which is gone has left open */
  wantsClosedReplicas: boolean;
}

export const AUROCHS: CommandLine = {
  name: "aurochs",
  replica: ({ id, directory, listen, volume, size, bootIdFile }) => [
    ...["bin/aurochs", "replica", directory, "--listen", listen, "--volume", volume, "--size", size],
    ...["--replica-id", id, "--boot-id-file", bootIdFile],
  ],
  engine: ({ volume, size, portal, listen, bootIdFile, readyFile, replicas }) => [
    ...["bin/aurochs", "engine", volume, "--size", size, "--ready-file", readyFile, "--portal", portal],
    ...["--listen", listen, "--boot-id-file", bootIdFile],
    ...["--replica-timeout", String(REPLICA_TIMEOUT_MS / 1000)],
    ...replicas.flatMap((address) => ["--replica", address]),
  ],
  writesReadyFile: true,
  wantsClosedReplicas: false,
};

/** files that a sync agent takes at a time, each at a port of its own */
export const SYNC_AGENT_RECEIVERS = 4;

export const LONGHORN: CommandLine = {
  name: "longhorn",
  replica: ({ directory, listen, volume, size, bootIdFile }) => [
    ...["bin/longhorn", "--volume-name", volume, "replica", directory, "--listen", listen, "--size", size],
    ...["--sync-agent-port-count", String(SYNC_AGENT_RECEIVERS), "--boot-id-file", bootIdFile],
  ],
  engine: ({ volume, size, portal, listen, bootIdFile, replicas }) => [
    ...["bin/longhorn", "controller", volume, "--size", size, "--current-size", size],
    ...["--frontend", "tgt-iscsi", "--portal", portal, "--listen", listen, "--boot-id-file", bootIdFile],
    ...replicas.flatMap((address) => ["--replica", address]),
  ],
  writesReadyFile: false,
  wantsClosedReplicas: true,
};
