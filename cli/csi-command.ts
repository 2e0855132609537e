/** `aurochs csi`: the CSI driver of a node. Flags are Longhorn's. */
import { InvalidArgumentError, type Command } from "commander";
import { parseEndpoint, type Endpoint } from "../csi/endpoint.js";
import { parsePath } from "./flags.js";

export interface CsiFlags {
  endpoint: Endpoint;
  nodeId: string;
  drivername: string;
  managerUrl: string;
  tokenFile?: string;
}

export function addCsiCommand(program: Command): void {
  program
    .command("csi")
    .description("serve a node's CSI driver: volumes for Kubernetes, or whoever speaks CSI")
    .requiredOption("--nodeid, --node-id <name>", "the node, as the manager knows it")
    .option(
      "--endpoint <endpoint>",
      "unix:///PATH or tcp://HOST:PORT",
      parse,
      parseEndpoint("unix:///csi/csi.sock"),
    )
    .option("--drivername <name>", "name of the driver", "driver.longhorn.io")
    .option("--manager-url <url>", "the manager's API", "http://longhorn-backend:9500/v1")
    .option(
      "--token-file <file>",
      "holds the bearer token of the API (or the variable AUROCHS_TOKEN)",
      parsePath,
    )
    .action(async (flags: CsiFlags) => {
      const { serveCsi } = await import("./csi.js");
      await serveCsi(flags);
    });
}

function parse(text: string): Endpoint {
  try {
    return parseEndpoint(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}
