/** A storage system of several nodes on this machine: hosts are network namespaces, disks are file systems of their own, and
 * whatever runs on a node can be killed with it. Needs root. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Network } from "../../cli/system/network.js";
import { RestClient } from "../../rest-client/client.js";
import { run, startDaemon, waitFor, type Daemon } from "../tools/process.js";
import { DISK_BYTES, MIB, STEP_MS } from "./limits.js";

const AGENT_PORT = 8500;

export interface ClusterNode {
  name: string;
  index: number;
  address: string;
  directory: string;
  /** what runs a program there, put before it */
  inside: readonly string[];
}

export class Cluster {
  readonly directory = mkdtempSync(join(tmpdir(), "aurochs-cluster-"));
  readonly nodes: ClusterNode[];
  readonly #network = new Network(this.directory);
  readonly #agents = new Map<string, Daemon>();
  #manager: Daemon | null = null;
  #client: RestClient | null = null;
  /** of the first manager; those that come after it are found there, too */
  #url = "http://127.0.0.1:0";

  private constructor(
    nodes: number,
    private readonly environment: NodeJS.ProcessEnv,
  ) {
    this.nodes = Array.from({ length: nodes }, (_, index) => ({
      ...{ name: `node-${index + 1}`, index, address: this.#network.address(index) },
      ...{ directory: join(this.directory, `node-${index + 1}`), inside: this.#network.inside(index) },
    }));
  }

  /** All nodes are ready when it resolves.
   * @param environment of the agents, and of what they start */
  static async start(
    t: { teardown: (end: () => Promise<void>) => void },
    nodes: number,
    environment = process.env,
  ): Promise<Cluster> {
    const cluster = new Cluster(nodes, environment);
    t.teardown(() => cluster.end());
    await cluster.#network.make(nodes);
    for (const node of cluster.nodes) {
      await makeDisk(node);
      cluster.startAgent(node);
    }
    await cluster.startManager();
    await cluster.untilReady(nodes);
    return cluster;
  }

  get client(): RestClient {
    if (this.#client === null) throw new Error("no manager was started");
    return this.#client;
  }

  /** Where managers are, one after the other: "http://127.0.0.1:PORT" */
  get url(): string {
    return this.#url;
  }

  get managerPid(): number {
    return this.#manager?.pid ?? 0;
  }

  /** @throws the agent did not run */
  agentPid(node: ClusterNode): number {
    return this.#agents.get(node.name)?.pid ?? 0;
  }

  node(name: string): ClusterNode {
    const found = this.nodes.find((one) => one.name === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }

  /** @param rebooted the machine was, too */
  startAgent(node: ClusterNode, { rebooted } = { rebooted: true }): void {
    const [program, ...rest] = [...node.inside, "bin/aurochs"];
    if (rebooted) writeFileSync(join(node.directory, "boot"), `boot-${Date.now()}`);
    const args = [
      ...["instance-manager", "--state-dir", join(node.directory, "state")],
      ...["--listen", `${node.address}:${AGENT_PORT}`, "--data-path", join(node.directory, "disk")],
      ...["--boot-id-file", join(node.directory, "boot")],
    ];
    const agent = startDaemon(
      program,
      [...rest, ...args],
      { env: this.environment },
      join(node.directory, "agent.log"),
    );
    this.#agents.set(node.name, agent);
  }

  /** @param addressOf where it is told that a node's agent is */
  async startManager(addressOf = ({ address }: ClusterNode) => address): Promise<void> {
    const ready = join(this.directory, "ready.json");
    rmSync(ready, { force: true });
    const args = [
      ...["manager", "--state-dir", join(this.directory, "manager"), "--listen", new URL(this.#url).host],
      ...["--ready-file", ready, "--setting", "default-replica-count=2"],
      ...this.nodes.flatMap((node) => ["--node", `${node.name}=${addressOf(node)}:${AGENT_PORT + 3}`]),
    ];
    const manager = startDaemon("bin/aurochs", args, {}, join(this.directory, "manager.log"));
    this.#manager = manager;
    const { url } = await waitFor("the manager to serve", STEP_MS, () => {
      const text = readText(ready);
      if (text !== null) return JSON.parse(text) as { url: string };
      if (manager.child.exitCode !== null) throw new Error(`the manager ended:\n${manager.output()}`);
      return undefined;
    });
    this.#url = new URL(url).origin;
    this.#client = new RestClient({ url, token: null });
  }

  async untilReady(count: number): Promise<void> {
    await waitFor(`${count} nodes to be ready`, STEP_MS, async () => {
      const nodes = await this.client.list("nodes");
      const ready = nodes.filter((node) => conditionOf(node.conditions, "Ready") === "True");
      return ready.length === count ? true : undefined;
    });
  }

  async killManager(): Promise<void> {
    this.#manager?.child.kill("SIGKILL");
    await this.#manager?.ended;
  }

  async killAgent(node: ClusterNode): Promise<void> {
    const agent = this.#agents.get(node.name);
    agent?.child.kill("SIGKILL");
    await agent?.ended;
  }

  // -------------------------------------------------------------------------------------------- nodes

  /** The cable, as it were. */
  plug(node: ClusterNode, isIn: boolean): Promise<void> {
    return this.#network.plug(node.index, isIn);
  }

  /** Bytes that went to and from a node so far. */
  traffic(node: ClusterNode): number {
    return this.#network.traffic(node.index);
  }

  /** Nothing that runs there survives, and the machine's next start is another one. */
  async powerOff(node: ClusterNode): Promise<void> {
    await this.plug(node, false);
    for (const pid of await this.pids(node)) kill(pid);
    await this.#agents.get(node.name)?.ended;
  }

  async powerOn(node: ClusterNode): Promise<void> {
    await this.plug(node, true);
    this.startAgent(node);
  }

  /** Of all that runs there. */
  async pids(node: ClusterNode): Promise<number[]> {
    const text = await run("ip", ["netns", "pids", this.#network.namespace(node.index)]);
    return text.split("\n").filter(Boolean).map(Number);
  }

  /** Leaves no room on a node's disk, again where some was given back. @returns what gives it back */
  async fillDisk({ directory }: ClusterNode): Promise<() => void> {
    const disk = join(directory, "disk");
    const filler = join(disk, "filler");
    writeFileSync(filler, "", { flag: "a" });
    for (;;) {
      const { bavail, bsize } = statfsSync(disk);
      const part = Math.floor(bavail * 0.9) * bsize;
      if (part < MIB) break;
      // Never all at once: it takes room to note what is taken.
      await run("fallocate", ["--offset", String(statSync(filler).size), "--length", String(part), filler]);
    }
    await run("sh", [
      "-c",
      'dd if=/dev/zero of="$0" oflag=append conv=notrunc bs=4k 2>/dev/null || true',
      filler,
    ]);
    return () => rmSync(filler);
  }

  /** All that is done on a node's disk fails from now on, also where it is open. */
  async breakDisk({ directory }: ClusterNode): Promise<void> {
    await run("xfs_io", ["-x", "-c", "shutdown", join(directory, "disk")]);
  }

  /** Takes it away, once nobody has anything open there, and brings it back with what it had. */
  async mendDisk({ directory }: ClusterNode): Promise<void> {
    const disk = join(directory, "disk");
    await waitFor("nobody to use the disk", STEP_MS, () => run("umount", [disk]).then(() => true as const, () => undefined)); // prettier-ignore
    await run("mount", ["-o", "loop", join(directory, "disk.img"), disk]);
  }

  async end(): Promise<void> {
    const errors: unknown[] = [];
    const attempt = async (work: () => unknown) => {
      try {
        await work();
      } catch (error) {
        errors.push(error);
      }
    };
    await attempt(() => this.killManager());
    for (const node of this.nodes) {
      await attempt(async () => {
        for (const pid of await this.pids(node)) kill(pid);
        await this.#agents.get(node.name)?.ended;
      });
      await attempt(() => run("umount", ["-l", join(node.directory, "disk")]));
    }
    await attempt(() => this.#network.remove(this.nodes.length));
    // What was logged is worth more than the room.
    if (process.env["KEEP"] === undefined) rmSync(this.directory, { recursive: true, force: true });
    if (errors.length > 0) throw new AggregateError(errors, "not all of the cluster could be removed");
  }
}

export function conditionOf(conditions: unknown, type: string): string {
  return (conditions as Record<string, { status: string }>)[type]?.status ?? "";
}

async function makeDisk({ directory }: ClusterNode): Promise<void> {
  const disk = join(directory, "disk");
  const image = join(directory, "disk.img");
  mkdirSync(disk, { recursive: true });
  writeFileSync(image, "");
  truncateSync(image, DISK_BYTES);
  await run("mkfs.ext4", [
    "-q",
    "-m",
    "0",
    "-i",
    "1048576",
    "-E",
    "lazy_itable_init=1,lazy_journal_init=1,nodiscard",
    image,
  ]);
  await run("mount", ["-o", "loop", image, disk]);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** Directories of replicas on a node; of its witness, or a voter of that, where `volume` has one there. */
export function directoriesOn(
  { directory }: ClusterNode,
  volume: string,
): { copies: string[]; witnesses: string[] } {
  const replicas = join(directory, "disk", "replicas");
  const isWitness = (name: string) => name.startsWith(`${volume}-w-`);
  const names = readdirSync(replicas);
  const pathsOf = (some: string[]) => some.map((name) => join(replicas, name));
  return {
    copies: pathsOf(names.filter((name) => !isWitness(name))),
    witnesses: pathsOf(names.filter(isWitness)),
  };
}
