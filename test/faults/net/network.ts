/** Hosts as network namespaces, each joined by a veth pair to a switch of ours (`packet_switch.cc`) in a further namespace.
 * Nothing of it touches the machine's own network. Needs root. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";
import { compileTool } from "../../tools/compile.js";
import { run } from "../../tools/process.js";
import { namespaceName, removeLeftovers } from "./leftovers.js";

const SWITCH = "switch";
const SUBNET = "10.77.0";
const SECOND = 100;

/** What happens to frames in one direction between two hosts. */
export interface Weather {
  /** per cent that are lost; 100: a partition */
  drop?: number;
  delayMs?: number;
  /** up to so much more, at random: reorders */
  jitterMs?: number;
  /** per cent that arrive twice */
  duplicate?: number;
}

/** Frames of one direction, since the weather there was last good. */
export interface Met {
  lost: number;
  /** delayed or duplicated */
  changed: number;
}

let networks = 0;

export class Network {
  readonly #tag = ++networks;
  #switch: ChildProcessWithoutNullStreams | null = null;
  #answers: AsyncIterator<string> | null = null;
  readonly #met = new Map<string, Met>();
  readonly #bad = new Map<string, Weather>();
  /** told what has met bad weather, by direction, when it is good everywhere again */
  onGood: (met: ReadonlyMap<string, Met>) => void = () => undefined;

  private constructor(private readonly hosts: readonly string[]) {}

  static async make(hosts: readonly string[]): Promise<Network> {
    await removeLeftovers();
    const network = new Network(hosts);
    try {
      await network.#make();
    } catch (error) {
      await network.remove();
      throw error;
    }
    return network;
  }

  /** The IPv4 address of a host. */
  address(host: string): string {
    return `${SUBNET}.${this.#number(host)}`;
  }

  /** Each host has a further one, for something that pretends to be it. */
  secondAddress(host: string): string {
    return `${SUBNET}.${SECOND + this.#number(host)}`;
  }

  /** What runs a command on a host, put before it. */
  inside(host: string): string[] {
    return ["nsenter", `--net=/run/netns/${namespaceName(this.#tag, host)}`];
  }

  /** Changes one direction; what is not named is as on a good day. */
  async set(from: string, to: string, weather: Weather): Promise<void> {
    const { drop = 0, delayMs = 0, jitterMs = 0, duplicate = 0 } = weather;
    this.#switch?.stdin.write(`${from} ${to} ${drop} ${delayMs} ${jitterMs} ${duplicate}\n`);
    const { lost, changed } = await this.#answer();
    const direction = `${from}>${to}`;
    if (this.#bad.has(direction)) {
      const met = this.#met.get(direction) ?? { lost: 0, changed: 0 };
      this.#met.set(direction, { lost: met.lost + lost, changed: met.changed + changed });
    }
    const isBad = drop > 0 || delayMs > 0 || jitterMs > 0 || duplicate > 0;
    if (isBad) this.#bad.set(direction, weather);
    else if (this.#bad.delete(direction) && this.#bad.size === 0) {
      this.onGood(new Map(this.#met));
      this.#met.clear();
    }
  }

  /** Frames that were lost in one direction where the weather is bad now. */
  async lost(from: string, to: string): Promise<number> {
    const weather = this.#bad.get(`${from}>${to}`);
    if (weather !== undefined) await this.set(from, to, weather);
    return this.#met.get(`${from}>${to}`)?.lost ?? 0;
  }

  /** Both directions. */
  async between(one: string, other: string, weather: Weather): Promise<void> {
    await this.set(one, other, weather);
    await this.set(other, one, weather);
  }

  /** From and to all others. */
  async around(host: string, weather: Weather): Promise<void> {
    for (const other of this.hosts) if (other !== host) await this.between(host, other, weather);
  }

  /** A good day everywhere. */
  async heal(): Promise<void> {
    for (const host of this.hosts) await this.around(host, {});
  }

  /** The processes on the hosts have to have ended. */
  async remove(): Promise<void> {
    if (this.#switch !== null) {
      const ended = new Promise((resolve) => this.#switch?.once("close", resolve));
      this.#switch.stdin.end();
      await ended;
    }
    for (const host of [...this.hosts, SWITCH])
      await run("ip", ["netns", "delete", namespaceName(this.#tag, host)]).catch(() => undefined);
  }

  async #make(): Promise<void> {
    const middle = namespaceName(this.#tag, SWITCH);
    await run("ip", ["netns", "add", middle]);
    for (const host of this.hosts) {
      const name = namespaceName(this.#tag, host);
      const number = this.#number(host);
      await run("ip", ["netns", "add", name]);
      const link = ["address", `02:00:00:00:00:${number.toString(16).padStart(2, "0")}`, "netns", name];
      const peer = ["type", "veth", "peer", "name", `to-${host}`, "netns", middle];
      await run("ip", ["link", "add", "eth0", ...link, ...peer]);
      await run("ip", ["-n", middle, "link", "set", `to-${host}`, "up"]);
      await run("ip", ["-n", name, "link", "set", "lo", "up"]);
      for (const address of [this.address(host), this.secondAddress(host)])
        await run("ip", ["-n", name, "address", "add", `${address}/24`, "dev", "eth0"]);
      await run("ip", ["-n", name, "link", "set", "eth0", "up"]);
    }
    const program = await compileTool("test/faults/net/packet_switch.cc", []);
    // It ends with its stdin, and hears no Ctrl-C.
    const [command = "", ...args] = [...this.inside(SWITCH), program, ...this.hosts];
    this.#switch = spawn(command, args, { detached: true });
    this.#switch.stderr.pipe(process.stderr);
    this.#answers = createInterface(this.#switch.stdout)[Symbol.asyncIterator]();
    await this.#answer();
  }

  async #answer(): Promise<Met> {
    const answer = await this.#answers?.next();
    const [, lost, changed] = /^ok (\d+) (\d+)$/.exec(String(answer?.value)) ?? [];
    if (lost === undefined) throw new Error(`the switch says ${String(answer?.value)}`);
    return { lost: Number(lost), changed: Number(changed) };
  }

  #number(host: string): number {
    return this.hosts.indexOf(host) + 1;
  }
}
