/** `aurochs up`: a whole storage system on one machine, or one volume alone. */
import { hostname } from "node:os";
import { Option, type Command } from "commander";
import type { HostPort } from "../engine/host-port.js";
import { REPLICAS_MAX } from "../engine/limits.js";
import { addEngineFlags, policyOf, type EngineFlags } from "./engine-flags.js";
import {
  collect,
  nodeNameOf,
  parseAddress,
  parseCount,
  parseFixedAddress,
  parseNodeName,
  parsePath,
  parseSize,
  parseVolumeName,
} from "./flags.js";

const REPLICAS_DEFAULT = 2;
const LISTEN_DEFAULT = "127.0.0.1:9500";

/** Flags of the one mode say nothing in the other. */
const OF_SYSTEM = "A system:";
const OF_VOLUME = "One volume alone:";

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
  nodeName?: string;
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
    .option(
      "--ready-file <file>",
      "written once it serves, and whenever a process (or a replica's mode) changes",
      parsePath,
    )
    .optionsGroup(OF_SYSTEM)
    .option("--nodes <count>", "that many nodes, in network namespaces (as root)", parseCount(NODES_MAX))
    .option(
      "--node-name <name>",
      "of the one node that this machine is without --nodes; its disk belongs to this name (default: the host name)",
      parseNodeName,
    )
    .addOption(
      new Option("--listen <host:port>", "where the API is")
        .argParser(parseAddress)
        .default(parseAddress(LISTEN_DEFAULT), LISTEN_DEFAULT),
    )
    .option("--csi", "a CSI driver for each node, at csi.sock in its part of the state directory", false)
    .option("--token-file <file>", "holds the bearer token that clients of the API have to give", parsePath)
    .optionsGroup(OF_VOLUME)
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
    .option("--view", "show what happens, also when the output is no terminal")
    .option("--no-view", "do not");
  addEngineFlags(command).action(async (flags: Partial<UpFlags> & SystemFlags) => {
    const { volume, size, portal } = flags;
    const isSystem = volume === undefined && size === undefined && portal === undefined;
    refuseFlagsOf(isSystem ? OF_VOLUME : OF_SYSTEM, command);
    if (isSystem) return upSystem(flags, command);
    if (volume === undefined || size === undefined || portal === undefined)
      command.error("error: one volume alone needs --volume, --size and --portal");
    const one = { ...flags, volume, size, portal } as UpFlags;
    policyOf(one, command); // before anything is started
    const { Up } = await import("./up.js");
    process.exitCode = await new Up(one).run();
  });
}

/** What is asked for in vain, as CHAP for a system, is not to be thought of as done. */
function refuseFlagsOf(group: typeof OF_SYSTEM | typeof OF_VOLUME, command: Command): void {
  const other = command.options.find(
    (option) =>
      option.helpGroupHeading === group && command.getOptionValueSource(option.attributeName()) === "cli",
  );
  if (other === undefined) return;
  command.error(
    group === OF_SYSTEM
      ? `error: ${other.long ?? ""} is for a system, not for one volume alone (--volume)`
      : `error: ${other.long ?? ""} is for one volume alone (--volume), not for a system`,
  );
}

async function upSystem(flags: SystemFlags, command: Command): Promise<void> {
  const { stateDir, listen, csi, tokenFile, readyFile } = flags;
  const nodes = nodeNames(flags, command);
  const { System } = await import("./system/system.js");
  const system = new System({
    ...{ stateDirectory: stateDir, nodes, isOneMachine: flags.nodes === undefined, listen, csi },
    ...{ tokenFile: tokenFile ?? null, readyFile: readyFile ?? null },
  });
  process.exitCode = await system.run();
}

function nodeNames({ nodes, nodeName }: SystemFlags, command: Command): string[] {
  if (nodes !== undefined && nodeName !== undefined)
    command.error("error: --node-name is for one node, not for --nodes");
  if (nodes !== undefined) return Array.from({ length: nodes }, (_, index) => `node-${index + 1}`);
  try {
    return [nodeName ?? nodeNameOf(hostname())];
  } catch (error) {
    return command.error(`error: ${(error as Error).message}`);
  }
}
