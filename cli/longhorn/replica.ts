/** Hosts the one replica of `longhorn replica`, closed until somebody opens it, until a signal. */
import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { HostPort } from "../../engine/host-port.js";
import { runReplica } from "../../replica/main.js";
import { processLog } from "../log.js";
import { aborted, stopSignal } from "../signals.js";

export interface LonghornReplicaOptions {
  /** resolved from where the process stands */
  directory: string;
  /** "" when it is not known */
  volume: string;
  /** "" when it is not known */
  instanceName: string;
  listen: HostPort;
  /** ports of the sync agent's receivers; null: it has no sync agent */
  syncAgentPorts: number | null;
  /** bytes per second that the sync agent sends at most; null: no limit */
  syncRateLimit: number | null;
  /** also while nobody uses the volume */
  syncLimitsIdle: boolean;
  /** bytes: the volume's files are created if there are none; null: not */
  size: number | null;
  /** a file, a directory that holds exactly one, or "" */
  backingFile: string;
  disableRevisionCounter: boolean;
  unmapMarksRemoved: boolean;
  snapshotMaxCount: number;
  /** bytes; 0: no limit */
  snapshotMaxSize: number;
  /** file that names the machine's boot; null: the kernel's */
  bootIdFile: string | null;
}

/** @throws {Error} when it cannot be hosted */
export async function runLonghornReplica(options: LonghornReplicaOptions): Promise<void> {
  const stop = stopSignal();
  const { host, port } = options.listen;
  const daemon = await runReplica(
    [
      {
        directory: resolve(options.directory),
        host,
        port,
        size: options.size,
        volume: options.volume === "" ? null : options.volume,
        ...(options.volume === "" ? { anyVolume: true } : {}),
        instanceName: options.instanceName,
        replicaId: null,
        cache: "writeback",
        backingFile: options.backingFile === "" ? null : imageAt(options.backingFile),
        bootIdFile: options.bootIdFile,
        startClosed: true,
        ...(options.syncAgentPorts === null
          ? {}
          : {
              syncAgent: {
                portCount: options.syncAgentPorts,
                rateLimit: options.syncRateLimit,
                limitsIdle: options.syncLimitsIdle,
                instanceName: options.instanceName === "" ? undefined : options.instanceName,
              },
            }),
        revisionCounter: !options.disableRevisionCounter,
        snapshots: {
          countMax: options.snapshotMaxCount,
          bytesMax: options.snapshotMaxSize,
          unmapMarksRemoved: options.unmapMarksRemoved,
        },
      },
    ],
    processLog("replica"),
  );
  try {
    await aborted(stop);
  } finally {
    await daemon.stop();
  }
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
