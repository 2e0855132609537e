/** Runs the sync agent of `longhorn sync-agent` for a replica in another process, until a signal. */
import type { HostPort } from "../../engine/host-port.js";
import { serveSyncAgent } from "../../replica/sync/server.js";
import { processLog } from "../log.js";
import { aborted, stopSignal } from "../signals.js";

export interface LonghornSyncAgentOptions {
  /** "" when it is not known */
  volume: string;
  /** "" when it is not known */
  instanceName: string;
  listen: HostPort;
  /** bytes per second that it sends at most; null: no limit */
  rateLimit: number | null;
  /** both included */
  receiverPorts: { first: number; last: number };
  /** `host:port` */
  replicaAddress: string;
}

/** @throws {Error} when the address cannot be bound */
export async function runLonghornSyncAgent(options: LonghornSyncAgentOptions): Promise<void> {
  const stop = stopSignal();
  const agent = await serveSyncAgent(
    {
      directory: process.cwd(),
      replicaAddress: options.replicaAddress.replace(/^tcp:\/\//, ""),
      volumeName: options.volume === "" ? undefined : options.volume,
      instanceName: options.instanceName === "" ? undefined : options.instanceName,
      ports: options.receiverPorts,
      backingFile: null,
      purging: null,
      whileRead: null,
      rateLimit: options.rateLimit,
      // Nobody else in this process sees what the volume's users do.
      limitsRate: null,
      hashLockPath: null,
    },
    options.listen.host,
    options.listen.port,
    processLog("sync-agent"),
  );
  await aborted(stop);
  await agent.stop();
}
