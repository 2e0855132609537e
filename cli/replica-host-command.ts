/** `aurochs replica-host`: the one process of all replicas of a node; started by `aurochs instance-manager`. */
import type { Command } from "commander";
import { parsePath } from "./flags.js";

export function addReplicaHostCommand(program: Command): void {
  program
    .command("replica-host")
    .description("host a node's replicas, as its instance manager says")
    .requiredOption("--socket <path>", "Unix socket to serve on", parsePath)
    .action(async ({ socket }: { socket: string }) => {
      const { runReplicaHost } = await import("./replica-host.js");
      await runReplicaHost(socket);
    });
}
