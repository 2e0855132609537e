/** Replicas and an engine by Longhorn's command line, each a process of its own, and the commands of a volume's clients. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../cli/free-ports.js";
import { VolumeClient } from "../../engine/client/volume.js";
import { isAlive, run, startDaemon, waitFor, type Daemon } from "../tools/process.js";

const VOLUME = "test-vol";
/** A replica that is silent costs a start 40 s, and a client that was refused tries again up to 20 s later. */
const TIMEOUT_MS = 120_000;
const LONGHORN = "bin/longhorn";

/** Control, data, sync agent, and its receivers. */
const RECEIVERS = 4;
const PORTS_PER_REPLICA = 3 + RECEIVERS;

export interface Node {
  directory: string;
  /** `tcp://host:port` */
  address: string;
  process: Daemon;
}

export interface Engine {
  process: Daemon;
  url: string;
  /** of an engine with a portal of its own */
  iscsi: string;
  client: VolumeClient;
}

export class LonghornCluster {
  readonly directory = mkdtempSync(join(tmpdir(), "aurochs-test-"));
  readonly #processes: Daemon[] = [];
  readonly #clients: VolumeClient[] = [];
  readonly #bootIdFile = join(this.directory, "boot");
  #replicas = 0;
  /** of engines that are started from now on */
  engineFlags: string[] = [];
  /** of engines that are started from now on: flags, and where their programs are; null: a target at a portal of its own */
  frontend: { flags: string[]; env: NodeJS.ProcessEnv } | null = null;

  /** @param size bytes */
  constructor(public size: number) {
    writeFileSync(this.#bootIdFile, "boot-1");
  }

  /** @param flags of `longhorn replica`
   * @param directory of another node, for a second process; absent: a new one */
  async addNode(flags: string[] = [], directory?: string): Promise<Node> {
    this.#replicas += 1;
    const [port = 0] = await freePorts([], 1, PORTS_PER_REPLICA);
    const node = {
      directory: directory ?? join(this.directory, `r${this.#replicas}`),
      address: `tcp://127.0.0.1:${port}`,
    };
    const started = { ...node, process: this.#startReplica(node, flags) };
    await this.#answers(started);
    return started;
  }

  /** Starts a replica's process again, on the same address. */
  async restart(node: Node, flags: string[] = []): Promise<void> {
    node.process = this.#startReplica(node, flags);
    await this.#answers(node);
  }

  /** @param before the engine in whose place it comes
   * @throws with what it said, when it ends before it serves */
  async startEngine(
    nodes: readonly Pick<Node, "address">[],
    before?: Engine,
    size = String(this.size),
  ): Promise<Engine> {
    const [port = 0, free = 0] = await freePorts([], 2, 1);
    const portal = before === undefined ? free : Number(new URL(before.iscsi).port);
    const url = `127.0.0.1:${port}`;
    const target = ["--frontend", "tgt-iscsi", "--portal", `127.0.0.1:${portal}`];
    const process = this.start(
      [
        ...["controller", VOLUME, "--size", size, "--current-size", size, "--listen", url],
        ...["--boot-id-file", this.#bootIdFile, ...(this.frontend?.flags ?? target), ...this.engineFlags],
        ...nodes.flatMap(({ address }) => ["--replica", address]),
        ...(before === undefined ? [] : ["--upgrade"]),
      ],
      this.frontend?.env,
    );
    const client = new VolumeClient(url, { volumeName: VOLUME, engineInstanceName: "" });
    this.#clients.push(client);
    await this.#until(process, "the engine to serve", async () => {
      const { frontendState } = await client.get();
      return frontendState === "up";
    });
    const iscsi = `iscsi://127.0.0.1:${portal}/iqn.2019-10.io.longhorn:${VOLUME}/1`;
    return { process, url, iscsi, client };
  }

  /** Arguments of a command that adds a replica. */
  addArguments({ url }: Engine, { address }: Node): string[] {
    const size = String(this.size);
    const on = ["--url", url, "--volume-name", VOLUME];
    return [...on, "add-replica", address, "--size", size, "--current-size", size];
  }

  /** @throws with what it said, when it does not end well */
  add(engine: Engine, node: Node): Promise<string> {
    return run(LONGHORN, this.addArguments(engine, node));
  }

  start(args: string[], env: NodeJS.ProcessEnv = process.env): Daemon {
    const daemon = startDaemon(LONGHORN, args, { env });
    this.#processes.push(daemon);
    return daemon;
  }

  /** Modes in the order of the engine's list. */
  async modes({ client }: Engine): Promise<string> {
    return (await client.replicas()).map(({ mode }) => mode).join(" ");
  }

  /** Ends a process without a word and waits until it is gone. */
  async kill(daemon: Daemon): Promise<void> {
    await this.#end(daemon, "SIGKILL");
  }

  /** Asks a process to end and waits until it is gone. */
  async stop(daemon: Daemon): Promise<void> {
    await this.#end(daemon, "SIGTERM");
  }

  async #end(daemon: Daemon, signal: NodeJS.Signals): Promise<void> {
    daemon.child.kill(signal);
    await waitFor("a process to end", TIMEOUT_MS, () => (isAlive(daemon.pid) ? undefined : true));
  }

  /** Ends all processes and removes all data. */
  async end(): Promise<void> {
    for (const client of this.#clients) client.close();
    for (const daemon of this.#processes) if (isAlive(daemon.pid)) await this.kill(daemon);
    rmSync(this.directory, { recursive: true, force: true });
  }

  #startReplica({ directory, address }: Omit<Node, "process">, flags: string[]): Daemon {
    return this.start([
      ...["--volume-name", VOLUME, "replica", directory, "--size", String(this.size)],
      ...["--listen", address.slice("tcp://".length), "--sync-agent-port-count", String(RECEIVERS)],
      ...["--boot-id-file", this.#bootIdFile, ...flags],
    ]);
  }

  async #answers({ address, process }: Node): Promise<void> {
    const client = new VolumeClient("127.0.0.1:1", { volumeName: VOLUME, engineInstanceName: "" });
    // An engine that waits for it may open it at once.
    await this.#until(process, "the replica to answer", async () => {
      const { state } = await client.replica(address);
      return state !== "";
    });
    client.close();
  }

  async #until(daemon: Daemon, what: string, good: () => Promise<boolean>): Promise<void> {
    await waitFor(what, TIMEOUT_MS, async () => {
      if (!isAlive(daemon.pid)) throw new Error(`waiting for ${what}: it ended\n${daemon.output()}`);
      return (await good().catch(() => false)) ? true : undefined;
    });
  }
}
