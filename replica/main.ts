/** The replica daemon: hosts one or many replicas, each with its own ports, until it is told to stop. */
import type { Logger } from "pino";
import { HostedReplica } from "./hosted-replica.js";
import type { HostedReplicaOptions } from "./open.js";
import { serveControl, type ControlServer } from "./server.js";
import { SYNC_AGENT_PORT_OFFSET } from "./sync/addresses.js";
import { Foreground } from "./sync/foreground.js";
import { serveSyncAgent, type SyncAgentServer } from "./sync/server.js";

export interface ReplicaOptions extends HostedReplicaOptions {
  host: string;
  /** control port; data is served on the next one, Longhorn's sync agent behind that. 0: free ports, the data port is then
   * told by Identify alone */
  port: number;
  /** path of a unix socket that serves data in the place of that port; absent: none */
  dataSocket?: string;
  /** absent: none */
  syncAgent?: HostedSyncAgent;
}

export interface HostedSyncAgent {
  /** ports of its receivers, behind its own; with control port 0 any that are free */
  portCount: number;
  /** bytes per second that it sends at most; null: no limit */
  rateLimit: number | null;
  /** also while nobody uses the volume */
  limitsIdle: boolean;
  /** undefined: callers are not asked whether they mean this instance */
  instanceName: string | undefined;
}

export interface RunningReplica {
  /** "": a directory that is not open yet does not tell */
  volume: string;
  replicaId: string;
  directory: string;
  host: string;
  port: number;
  /** 0: data are at `dataSocket` */
  dataPort: number;
  /** "": data are at `dataPort` */
  dataSocket: string;
  /** null: it has no sync agent */
  syncAgentPort: number | null;
}

export interface ReplicaDaemon {
  replicas: RunningReplica[];
  /** Ends serving, flushes and closes all directories. Idempotent. */
  stop(): Promise<void>;
}

interface Served {
  replica: HostedReplica;
  control: ControlServer;
  syncAgent: SyncAgentServer | null;
  running: RunningReplica;
}

/** Serves every replica of `replicas`, or none.
 * @throws {ReplicaError | NativeError} what was wrong with the first that could not be served */
export async function runReplica(replicas: readonly ReplicaOptions[], log: Logger): Promise<ReplicaDaemon> {
  const served: Served[] = [];
  const stopAll = async () => {
    for (const { replica, control, syncAgent, running } of served) {
      await syncAgent?.stop();
      await replica.close();
      control.close();
      log.info({ directory: running.directory }, "replica closed");
    }
  };
  let stopped: Promise<void> | null = null;
  const stop = () => (stopped ??= stopAll());
  try {
    for (const options of replicas) served.push(await serve(options, log));
  } catch (error) {
    await stop();
    throw error;
  }
  return { replicas: served.map(({ running }) => running), stop };
}

async function serve(options: ReplicaOptions, parentLog: Logger): Promise<Served> {
  const { directory, host, port, dataSocket } = options;
  const log = parentLog.child({ directory });
  const replica = await HostedReplica.open(options, log);
  try {
    // Data first: who can ask for facts can use them.
    replica.listen(
      dataSocket === undefined ? { host, port: port === 0 ? 0 : port + 1 } : { path: dataSocket },
    );
    const control = await serveControl(replica, host, port, log);
    const syncAgent = await serveAgentOf(options, replica, control, log);
    const ports = { port: control.port, ...replica.served, syncAgentPort: syncAgent?.port ?? null };
    const running = { ...replica.identity, directory, host, ...ports };
    log.info(running, "replica serves");
    return { replica, control, syncAgent, running };
  } catch (error) {
    await replica.close();
    throw error;
  }
}

async function serveAgentOf(
  { syncAgent, directory, host, port, volume, backingFile }: ReplicaOptions,
  replica: HostedReplica,
  control: ControlServer,
  log: Logger,
): Promise<SyncAgentServer | null> {
  if (syncAgent === undefined) return null;
  const own = port === 0 ? 0 : port + SYNC_AGENT_PORT_OFFSET;
  const first = own + 1;
  const foreground = new Foreground(() => {
    const stats = replica.current?.replica.store.stats();
    return stats === undefined ? 0 : stats.reads + stats.writes;
  });
  try {
    return await serveSyncAgent(
      {
        directory,
        replicaAddress: `${host.includes(":") ? `[${host}]` : host}:${control.port}`,
        volumeName: volume ?? undefined,
        instanceName: syncAgent.instanceName,
        ports: own === 0 ? null : { first, last: own + syncAgent.portCount },
        backingFile,
        rateLimit: syncAgent.rateLimit,
        limitsRate: syncAgent.limitsIdle ? null : () => foreground.isActive(),
        purging: () => replica.current?.purge ?? null,
        whileRead: (work) => replica.whileRead(work),
        hashLockPath: null,
      },
      host,
      own,
      log.child({ part: "sync-agent" }),
    );
  } catch (error) {
    control.close();
    throw error;
  }
}
