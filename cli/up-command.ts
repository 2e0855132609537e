/** `aurochs up`: a whole volume on one machine. */
import { Option, type Command } from "commander";
import type { HostPort } from "../engine/host-port.js";
import { REPLICAS_MAX } from "../engine/limits.js";
import { addEngineFlags, policyOf, type EngineFlags } from "./engine-flags.js";
import { collect, parseCount, parseFixedAddress, parsePath, parseSize, parseVolumeName } from "./flags.js";

const REPLICAS_DEFAULT = 2;

export interface UpFlags extends EngineFlags {
  stateDir: string;
  volume: string;
  size: number;
  portal: HostPort[];
  replicas: number;
  cache: "writeback" | "none";
  readyFile?: string;
  view?: boolean;
}

export function addUpCommand(program: Command): void {
  const command = program
    .command("up")
    .description(
      "serve a volume from this machine alone: a replica process per copy and an engine, until a signal",
    )
    .requiredOption(
      "--state-dir <directory>",
      "where the replicas' directories and what belongs to them are kept",
      parsePath,
    )
    .requiredOption("--volume <name>", "name of the volume", parseVolumeName)
    .requiredOption("--size <size>", "size of the volume", parseSize)
    .requiredOption(
      "--portal <host:port>",
      "address that initiators connect to (repeatable)",
      collect(parseFixedAddress),
    )
    .option("--replicas <count>", "number of copies", parseCount(REPLICAS_MAX), REPLICAS_DEFAULT)
    .addOption(
      new Option("--cache <mode>", "page cache with honest flush, or O_DIRECT")
        .choices(["writeback", "none"])
        .default("writeback"),
    )
    .option(
      "--ready-file <file>",
      "written once the volume serves, and whenever a process or a mode changes",
      parsePath,
    )
    .option("--view", "show what happens, also when the output is no terminal")
    .option("--no-view", "do not");
  addEngineFlags(command).action(async (flags: UpFlags) => {
    policyOf(flags, command); // before anything is started
    const { Up } = await import("./up.js");
    process.exitCode = await new Up(flags).run();
  });
}
