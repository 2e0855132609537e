/** The manager: objects in its store, the loops that make them true, and the API over them. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { HostPort } from "../engine/host-port.js";
import { Agents } from "./agents/agents.js";
import { startEngineLoop } from "./agents/engine-loop.js";
import { startLogLevelLoop } from "./agents/log-level-loop.js";
import { startNodeLoop } from "./agents/node-loop.js";
import { AgentOperations } from "./agents/operations.js";
import { startReplicaLoop, startWitnessLoop } from "./agents/replica-loop.js";
import { startCloneLoop } from "./clone/clone-loop.js";
import { keepEngineImage } from "./engine-image.js";
import { SqliteEvents } from "./events/sqlite-events.js";
import type { LogLevel } from "./log-level.js";
import { ManagerMetrics } from "./metrics/metrics.js";
import { startOrphanLoop } from "./orphan/orphan-loop.js";
import { RecurringJobLoop } from "./recurring-job/recurring-job-loop.js";
import { RestServer } from "./rest/server.js";
import { makeMissingSettings } from "./settings/stored.js";
import { IntegrityLoop } from "./snapshot/integrity-loop.js";
import { startSnapshotLoop } from "./snapshot/snapshot-loop.js";
import { openDatabase } from "./store/database.js";
import { SqliteStore } from "./store/sqlite-store.js";
import { startAttachmentLoop } from "./volume/attachment-loop.js";
import { startVolumeLoop } from "./volume/volume-loop.js";

export interface ManagerOptions {
  /** holds its database; one manager at a time uses it */
  stateDirectory: string;
  /** by node, of its agent's instance service */
  agents: ReadonlyMap<string, HostPort>;
  rest: HostPort;
  /** values of settings that nobody has set yet, by name */
  settings: ReadonlyMap<string, string>;
  /** that clients of the API have to give; null: none */
  token: string | null;
  /** our own */
  version: string;
  /** of the log, to be changed as the setting says */
  logLevel: LogLevel;
}

export interface RunningManager {
  /** where the API is */
  rest: HostPort;
  stop(): Promise<void>;
}

/** @throws {Error} it cannot be started */
export async function runManager(options: ManagerOptions, log: Logger): Promise<RunningManager> {
  const { stateDirectory, version, token } = options;
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
  const database = openDatabase(join(stateDirectory, "manager.db"));
  const onError = (err: unknown) => log.error({ err }, "not expected");
  const store = SqliteStore.on(database);
  const events = SqliteEvents.on(database, Date.now, onError);
  await makeMissingSettings(store, version, options.settings);
  await keepEngineImage(store, version);
  const agents = new Agents(options.agents, store, log);
  const operations = new AgentOperations(store, agents);
  const metrics = new ManagerMetrics(store, operations);
  const rest = await RestServer.listen(
    { store, events, engines: operations, nodes: operations },
    {
      ...{ host: options.rest.host, port: options.rest.port, token, onError },
      metrics: () => metrics.text(),
      onAnswered: (method, route, status, seconds) => metrics.own.request(method, route, status, seconds),
      onStreams: (count) => metrics.own.streams(count),
    },
  );
  const loops = [
    startLogLevelLoop(store, agents, options.logLevel, log),
    startNodeLoop(store, agents, events, log),
    startReplicaLoop(store, agents, events, log),
    startWitnessLoop(store, agents, events, log),
    startEngineLoop(store, agents, events, log),
    startVolumeLoop(store, events, log),
    startAttachmentLoop(store, log),
    startSnapshotLoop(store, operations, events, log),
    new IntegrityLoop(store, operations, events, log),
    startCloneLoop(store, operations, events, log),
    startOrphanLoop(store, operations, events, log),
    new RecurringJobLoop(store, operations, operations, events, log),
  ];
  const { address: host, port } = rest.address;
  log.info({ rest: { host, port }, nodes: [...options.agents.keys()] }, "manager serves");
  return {
    rest: { host, port },
    stop: async () => {
      await rest.close();
      await Promise.all(loops.map((loop) => loop.stop()));
      agents.stop();
      await events.close();
      await store.close();
    },
  };
}
