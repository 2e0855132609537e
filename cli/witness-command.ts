/** `aurochs witness`: a replica without data, the third voice of a volume with two replicas. */
import type { Command } from "commander";
import type { HostPort } from "../engine/host-port.js";
import { parseAddress, parsePath, parseVolumeName } from "./flags.js";

interface Flags {
  listen: HostPort;
  volume?: string;
}

export function addWitnessCommand(program: Command): void {
  program
    .command("witness")
    .description("serve a witness: it keeps no data, but with it one of two replicas can be gone on with")
    .argument("<directory>", "where it keeps its record", parsePath)
    .requiredOption("--listen <host:port>", "its control address", parseAddress)
    .option("--volume <name>", "the volume that it belongs to; the first engine's otherwise", parseVolumeName)
    .action(async (directory: string, { listen, volume }: Flags) => {
      const { serveWitness } = await import("./witness.js");
      process.exitCode = await serveWitness({ directory, volume: volume ?? null, ...listen });
    })
    .addHelpText(
      "after",
      "\nOn a machine that holds neither replica:\n  aurochs witness /data/vol-w --listen 10.0.0.7:10000 --volume vol",
    );
}
