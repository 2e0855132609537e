/** Runs the driver: all three services on one endpoint, on every node. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { RestClient } from "../rest-client/client.js";
import { UnreachableError } from "../rest-client/errors.js";
import type { Endpoint } from "./endpoint.js";
import { thisHost } from "./host/host.js";
import { START_POLL_MS, START_WAIT_MS } from "./limits.js";
import { serveDriver, type DriverServer } from "./server.js";

export interface DriverOptions {
  endpoint: Endpoint;
  name: string;
  version: string;
  node: string;
  managerUrl: string;
  /** that the manager asks for; null: none */
  token: string | null;
}

/** Serves when the manager answers. @throws {Error} it does not, or refuses us */
export async function runDriver(options: DriverOptions, log: Logger): Promise<DriverServer> {
  const { name, version, node, endpoint, managerUrl: url, token } = options;
  const manager = new RestClient({ url, token });
  const deadline = Date.now() + START_WAIT_MS;
  for (;;) {
    try {
      await manager.list("nodes");
      break;
    } catch (err) {
      if (!(err instanceof UnreachableError) || Date.now() > deadline) throw err;
      log.info({ err }, "waiting for the manager");
      await sleep(START_POLL_MS);
    }
  }
  const server = await serveDriver({ name, version, node, manager, host: thisHost(), log }, endpoint);
  log.info({ name, node, endpoint, url: manager.url }, "the driver serves");
  return server;
}
