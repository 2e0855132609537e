/** `aurochs manager`: the control plane. */
import { InvalidArgumentError, Option, type Command } from "commander";
import type { HostPort } from "../engine/host-port.js";
import { parseAddress, parseNodeName, parsePath } from "./flags.js";

const LISTEN_DEFAULT = "127.0.0.1:9500";

export interface ManagerFlags {
  stateDir: string;
  node: Map<string, HostPort>;
  listen: HostPort;
  setting: Map<string, string>;
  tokenFile?: string;
  readyFile?: string;
}

export function addManagerCommand(program: Command): void {
  program
    .command("manager")
    .description("place, attach, rebuild and look after volumes on nodes; serves Longhorn's REST API")
    .requiredOption("--state-dir <path>", "where its database is", parsePath)
    .requiredOption(
      "--node <name=host:port>",
      "a node, and the instance service of its agent, its last port (repeatable)",
      parseNode,
    )
    .addOption(
      new Option(
        "--listen <host:port>",
        "where the API is: whoever reaches it may do everything, but for --token-file",
      )
        .argParser(parseAddress)
        .default(parseAddress(LISTEN_DEFAULT), LISTEN_DEFAULT),
    )
    .addOption(
      new Option("--setting <name=value>", "value of a setting that nobody has set yet (repeatable)")
        .argParser(parseSetting)
        .default(new Map<string, string>(), "none"),
    )
    .option("--token-file <file>", "holds the bearer token that clients of the API have to give", parsePath)
    .option("--ready-file <file>", "JSON is written there when the API can be used", parsePath)
    .action(async (flags: ManagerFlags) => {
      const { serveManager } = await import("./manager.js");
      await serveManager(flags);
    })
    .addHelpText(
      "after",
      "\nWith an agent on each node (aurochs instance-manager --listen 10.0.0.5:8500 ...):\n" +
        "  aurochs manager --state-dir /var/lib/aurochs --node a=10.0.0.5:8503 --node b=10.0.0.6:8503",
    );
}

export function parseNode(text: string, before: Map<string, HostPort> = new Map()): Map<string, HostPort> {
  const [, name = "", at = ""] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === "") throw new InvalidArgumentError(`"${text}" is not NAME=HOST:PORT`);
  parseNodeName(name);
  if (before.has(name)) throw new InvalidArgumentError(`node ${name} is given twice`);
  const address = parseAddress(at);
  const [other] = [...before].find(([, { host, port }]) => host === address.host && port === address.port) ?? []; // prettier-ignore
  if (other !== undefined) throw new InvalidArgumentError(`${at} is the address of node ${other} already`);
  return new Map([...before, [name, address]]);
}

function parseSetting(text: string, before: ReadonlyMap<string, string>): Map<string, string> {
  const [, name = "", value = ""] = /^([a-z0-9-]+)=(.*)$/s.exec(text) ?? [];
  if (name === "") throw new InvalidArgumentError(`"${text}" is not NAME=VALUE`);
  return new Map([...before, [name, value]]);
}
