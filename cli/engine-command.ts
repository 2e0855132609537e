/** `aurochs engine`: serves one volume from its replicas. */
import type { Command } from "commander";
import type { HostPort } from "../engine/host-port.js";
import { EXIT } from "../engine/exit-codes.js";
import { REPLICAS_MAX } from "../engine/limits.js";
import { addEngineFlags, policyOf, type EngineFlags } from "./engine-flags.js";
import {
  collect,
  parseAddress,
  parsePath,
  parsePeer,
  parseSize,
  parseVolumeName,
  parseWitnessPeers,
} from "./flags.js";

interface Flags extends EngineFlags {
  size: number;
  replica: string[];
  witness?: string;
  portal: HostPort[];
  listen?: HostPort;
  readyFile?: string;
  upgrade?: true;
}

const EXIT_CODES = Object.values(EXIT)
  .map(({ code, meaning }) => `  ${code}  ${meaning}`)
  .join("\n");

export function addEngineCommand(program: Command): void {
  const command = program
    .command("engine")
    .description("take a volume over from its replicas and serve it over iSCSI")
    .argument("<volume>", "name of the volume", parseVolumeName)
    .requiredOption("--size <size>", "size of the volume", parseSize)
    .requiredOption("--replica <host:port>", "control address of a replica (repeatable)", collect(parsePeer))
    .option(
      "--witness <host:port[,...]>",
      "control address of the witness, or of its voters: with it, one of two replicas can be gone on with",
      parseWitnessPeers,
    )
    .requiredOption(
      "--portal <host:port>",
      "address that initiators connect to (repeatable)",
      collect(parseAddress),
    )
    .option("--listen <host:port>", "serve the engine's control service here", parseAddress)
    .option("--upgrade", "take the place of the engine that serves the volume here; initiators go on")
    .option("--ready-file <file>", "write this once initiators can log in", parsePath);
  addEngineFlags(command)
    .addHelpText("after", `\nExit codes:\n${EXIT_CODES}`)
    .action(async (volume: string, flags: Flags) => {
      const replicas = new Set(flags.replica);
      if (replicas.size < flags.replica.length)
        command.error("error: --replica names the same address twice");
      if (replicas.size > REPLICAS_MAX)
        command.error(`error: --replica: a volume has at most ${REPLICAS_MAX}`);
      const { serveEngine } = await import("./engine.js");
      process.exitCode = await serveEngine({
        volume,
        size: flags.size,
        replicas: flags.replica,
        witness: flags.witness ?? null,
        portals: flags.portal,
        control: flags.listen ?? null,
        readyFile: flags.readyFile ?? null,
        upgrade: flags.upgrade ?? false,
        ...policyOf(flags, command),
      });
    });
}
