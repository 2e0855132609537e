/** `aurochs instance-manager`: the agent of a node. */
import { Option, type Command } from "commander";
import type { HostPort } from "../engine/host-port.js";
import { parsePortRange, type PortRange } from "../manager/instance-manager/ports.js";
import { parseAddress, parsePath } from "./flags.js";

const LISTEN_DEFAULT = "127.0.0.1:8500";
const PORTS_DEFAULT = "10000-20000";

export interface InstanceManagerFlags {
  listen: HostPort;
  stateDir: string;
  logsDir?: string;
  portRange: PortRange;
  stopInstances: boolean;
  bootIdFile?: string;
  dataPath?: string;
  zone: string;
}

export function addInstanceManagerCommand(program: Command): void {
  program
    .command("instance-manager")
    .description("start and look after a node's engines and replicas; they go on when it ends")
    .requiredOption("--state-dir <path>", "what it has to find again", parsePath)
    .addOption(
      new Option(
        "--listen <host:port>",
        "first of four successive ports, where nobody is asked who he is: on a network that only the nodes reach",
      )
        .argParser(parseAddress)
        .default(parseAddress(LISTEN_DEFAULT), LISTEN_DEFAULT),
    )
    .addOption(
      new Option("--port-range <first-last>", "ports of engines and replicas, on the same network")
        .argParser(parsePortRange)
        .default(parsePortRange(PORTS_DEFAULT), PORTS_DEFAULT),
    )
    .option(
      "--logs-dir <path>",
      "a file per engine and replica (default: logs in the state directory)",
      parsePath,
    )
    .option("--stop-instances", "stop all of them when it is stopped", false)
    .option("--boot-id-file <file>", "file that names the machine's boot, where /proc does not", parsePath)
    .option("--data-path <path>", "the node's first disk (default: as the manager is set)", parsePath)
    .option("--zone <name>", "copies of a volume are spread over zones", "")
    .action(async (flags: InstanceManagerFlags) => {
      const { runInstanceManager } = await import("./instance-manager.js");
      await runInstanceManager(flags);
    })
    .addHelpText(
      "after",
      "\nWhoever reaches the ports of --listen may run any program as the user of this process, usually root.\n" +
        "The ports of engines and replicas, iSCSI portals among them, give and take volumes' data likewise.\n\n" +
        "Example:\n  aurochs instance-manager --state-dir /var/lib/aurochs/agent --listen 10.0.0.5:8500 --data-path /srv/disk",
    );
}
