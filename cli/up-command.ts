/** `aurochs up`: a whole storage system on one machine, or one volume alone. */
import { Option, type Command } from "commander";
import type { HostPort } from "../engine/host-port.js";
import { REPLICAS_MAX } from "../engine/limits.js";
import { addEngineFlags, policyOf, type EngineFlags } from "./engine-flags.js";
import {
  collect,
  parseAddress,
  parseCount,
  parseFixedAddress,
  parsePath,
  parseSize,
  parseVolumeName,
} from "./flags.js";

const REPLICAS_DEFAULT = 2;

/** Addresses of one subnet. */
const NODES_MAX = 200;

/** Of one volume alone. */
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

interface SystemFlags {
  stateDir: string;
  nodes?: number;
  listen: HostPort;
  csi: boolean;
  tokenFile?: string;
  readyFile?: string;
}

export function addUpCommand(program: Command): void {
  const command = program
    .command("up")
    .description(
      "a storage system on this machine, with its API, until a signal; with --volume, one volume alone: a replica process per copy and an engine",
    )
    .requiredOption(
      "--state-dir <directory>",
      "where the replicas' directories and what belongs to them are kept",
      parsePath,
    )
    .option("--nodes <count>", "that many nodes, in network namespaces (as root)", parseCount(NODES_MAX))
    .option("--listen <host:port>", "where the API is", parseAddress, parseAddress("127.0.0.1:9500"))
    .option("--csi", "a CSI driver for each node, at csi.sock in its part of the state directory", false)
    .option("--token-file <file>", "holds the bearer token that clients of the API have to give", parsePath)
    .option("--volume <name>", "name of the volume", parseVolumeName)
    .option("--size <size>", "size of the volume", parseSize)
    .option(
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
      "written once it serves, and whenever a process (or a replica's mode) changes",
      parsePath,
    )
    .option("--view", "show what happens, also when the output is no terminal")
    .option("--no-view", "do not");
  addEngineFlags(command).action(async (flags: Partial<UpFlags> & SystemFlags) => {
    const { volume, size, portal } = flags;
    if (volume === undefined && size === undefined && portal === undefined) return upSystem(flags);
    if (volume === undefined || size === undefined || portal === undefined)
      command.error("error: one volume alone needs --volume, --size and --portal");
    if (flags.nodes !== undefined) command.error("error: --nodes is for a system, not for one volume alone");
    const one = { ...flags, volume, size, portal } as UpFlags;
    policyOf(one, command); // before anything is started
    const { Up } = await import("./up.js");
    process.exitCode = await new Up(one).run();
  });
}

async function upSystem({ stateDir, nodes, listen, csi, tokenFile, readyFile }: SystemFlags): Promise<void> {
  const { System } = await import("./system/system.js");
  const system = new System({
    ...{ stateDirectory: stateDir, nodes: nodes ?? null, listen, csi },
    ...{ tokenFile: tokenFile ?? null, readyFile: readyFile ?? null },
  });
  process.exitCode = await system.run();
}
