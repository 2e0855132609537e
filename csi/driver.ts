/** What the services of the driver have in common. */
import type { RestClient } from "../rest-client/client.js";
import type { Logger } from "pino";
import type { Host } from "./host/host.js";

/** By which a node is known in topologies. */
export const HOSTNAME_TOPOLOGY = "kubernetes.io/hostname";

export interface Driver {
  name: string;
  version: string;
  /** of the node that it runs on, as the manager has it */
  node: string;
  manager: RestClient;
  host: Host;
  log: Logger;
}
