/** `aurochs status`: what an engine is and does. */
import { Option, type Command } from "commander";
import { parsePath, parsePeer } from "./flags.js";

interface Flags {
  engine?: string;
  stateDir?: string;
  json?: true;
  watch?: true;
}

export function addStatusCommand(program: Command): void {
  const command = program
    .command("status")
    .description("show a volume: state, replicas, sessions, counters")
    .addOption(
      new Option("--engine <host:port>", "control address of the engine")
        .argParser(parsePeer)
        .conflicts("stateDir"),
    )
    .option("--state-dir <directory>", "the directory that `aurochs up` was given", parsePath)
    .option("--json", "as JSON, for scripts")
    .option("--watch", "again every second, with rates")
    .action(async (flags: Flags) => {
      const { engine, stateDir } = flags;
      if (engine === undefined && stateDir === undefined)
        command.error("error: --engine or --state-dir is needed");
      const { showStatus } = await import("./status.js");
      const where = engine !== undefined ? { engine } : { stateDir: stateDir ?? "" };
      process.exitCode = await showStatus(where, { json: flags.json ?? false, watch: flags.watch ?? false });
    });
}
