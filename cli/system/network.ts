/** Nodes of one machine as network namespaces on a bridge of their own. Needs root. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The bridge is the subnet's first address, nodes come behind this. */
const FIRST_NODE = 10;

export class Network {
  /** of this state directory: several systems may run at a time */
  readonly #id: string;
  readonly #subnet: string;

  /** @param stateDirectory names and addresses are made of: the same ones every time */
  constructor(stateDirectory: string) {
    const hash = createHash("sha256").update(stateDirectory).digest();
    this.#id = hash.toString("hex", 0, 3);
    this.#subnet = `10.${128 + ((hash[3] ?? 0) & 127)}.${hash[4] ?? 0}`;
  }

  /** @param index from 0 */
  address(index: number): string {
    return `${this.#subnet}.${FIRST_NODE + index}`;
  }

  /** What runs a program on a node, put before it. */
  inside(index: number): [string, ...string[]] {
    return ["nsenter", `--net=/run/netns/${this.namespace(index)}`];
  }

  /** What is left of a run before, with processes that went on, is used again.
   * @throws {Error} naming the command that failed */
  async make(nodes: number): Promise<void> {
    const bridge = this.#bridge;
    if (!(await exists(bridge))) {
      const taken = Object.values(networkInterfaces()).flat();
      if (taken.some((one) => one?.address.startsWith(`${this.#subnet}.`)))
        throw new Error(
          `${this.#subnet}.0/24 is used on this machine: another state directory has another one`,
        );
      await ip("link", "add", bridge, "type", "bridge");
      await ip("addr", "add", `${this.#subnet}.1/24`, "dev", bridge);
    }
    await ip("link", "set", bridge, "up");
    const present = (await ip("netns", "list")).split("\n").map((line) => line.split(" ")[0]);
    for (let index = 0; index < nodes; index++)
      if (!present.includes(this.namespace(index))) await this.#makeNode(index);
  }

  async #makeNode(index: number): Promise<void> {
    const name = this.namespace(index);
    const link = this.#link(index);
    await ip("netns", "add", name);
    try {
      await ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name);
      await ip("link", "set", link, "master", this.#bridge, "up");
      await ip("-n", name, "addr", "add", `${this.address(index)}/24`, "dev", "eth0");
      for (const device of ["lo", "eth0"]) await ip("-n", name, "link", "set", device, "up");
    } catch (error) {
      await ip("netns", "delete", name);
      throw error;
    }
  }

  /** Connects or disconnects a node, as by its cable. */
  async plug(index: number, isIn: boolean): Promise<void> {
    await ip("link", "set", this.#link(index), isIn ? "up" : "down");
  }

  /** Bytes that went to and from a node so far. */
  traffic(index: number): number {
    const of = (count: string) =>
      Number(readFileSync(`/sys/class/net/${this.#link(index)}/statistics/${count}`, "utf8"));
    return of("rx_bytes") + of("tx_bytes");
  }

  /** All of it; what is not there is no error. */
  async remove(nodes: number): Promise<void> {
    for (let index = 0; index < nodes; index++)
      await ip("netns", "delete", this.namespace(index)).catch(() => undefined);
    await ip("link", "delete", this.#bridge).catch(() => undefined);
  }

  get #bridge(): string {
    return `aurochs-${this.#id}`;
  }

  /** Its name, as `ip netns` knows it. */
  namespace(index: number): string {
    return `aurochs-${this.#id}-${index + 1}`;
  }

  // At most 15 characters.
  #link(index: number): string {
    return `au${this.#id}n${index + 1}`;
  }
}

async function exists(device: string): Promise<boolean> {
  return ip("link", "show", device).then(
    () => true,
    () => false,
  );
}

async function ip(...args: string[]): Promise<string> {
  try {
    return (await run("ip", args)).stdout;
  } catch (error) {
    const { stderr = "", message } = error as Error & { stderr?: string };
    throw new Error(`ip ${args.join(" ")}: ${stderr.trim() || message}`, { cause: error });
  }
}
