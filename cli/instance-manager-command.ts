/** `aurochs instance-manager`: the agent of a node. */
import type { Command } from "commander";
import type { HostPort } from "../engine/host-port.js";
import { parsePortRange, type PortRange } from "../manager/instance-manager/ports.js";
import { parseAddress, parsePath } from "./flags.js";

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
    .option(
      "--listen <host:port>",
      "first of four successive ports",
      parseAddress,
      parseAddress("127.0.0.1:8500"),
    )
    .option(
      "--port-range <first-last>",
      "ports of engines and replicas",
      parsePortRange,
      parsePortRange("10000-20000"),
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
      process.exitCode = await runInstanceManager(flags);
    });
}
