/** The replica daemon: hosts one or many replicas, each with its own pair of ports, until it is told to stop. */
import type { Logger } from "pino";
import { HostedReplica } from "./hosted-replica.js";
import type { HostedReplicaOptions } from "./open.js";
import { ReplicaDecisions } from "./replica-decisions.js";
import { serveControl, type ControlServer } from "./server.js";

export interface ReplicaOptions extends HostedReplicaOptions {
  host: string;
  /** control port; data is served on the next one. 0: two free ports, the data port is then told by Identify alone */
  port: number;
}

export interface RunningReplica {
  /** "": a directory that is not open yet does not tell */
  volume: string;
  replicaId: string;
  directory: string;
  host: string;
  port: number;
  dataPort: number;
}

export interface ReplicaDaemon {
  replicas: RunningReplica[];
  /** Ends serving, flushes and closes all directories. Idempotent. */
  stop(): Promise<void>;
}

interface Served {
  replica: HostedReplica;
  control: ControlServer;
  running: RunningReplica;
}

/** Serves every replica of `replicas`, or none.
 * @throws {ReplicaError | NativeError} what was wrong with the first that could not be served */
export async function runReplica(replicas: readonly ReplicaOptions[], log: Logger): Promise<ReplicaDaemon> {
  const served: Served[] = [];
  const stopAll = async () => {
    for (const { replica, control, running } of served) {
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
  const { directory, host, port } = options;
  const log = parentLog.child({ directory });
  const replica = await HostedReplica.open(options, log);
  try {
    // Data first: who can ask for facts can use them.
    const data = await replica.listen(host, port === 0 ? 0 : port + 1);
    const control = await serveControl(new ReplicaDecisions(replica, log), host, port);
    const running = { ...replica.identity, directory, host, port: control.port, dataPort: data.port };
    log.info(running, "replica serves");
    return { replica, control, running };
  } catch (error) {
    await replica.close();
    throw error;
  }
}
