/** Replicas and an engine started one by one, each a process of its own, where a test needs more say than `aurochs up`. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../cli/free-ports.js";
import { askEngine } from "../../cli/status.js";
import type { EngineReady } from "../../engine/main.js";
import type { EngineStatus } from "../../proto/control.js";
import { isAlive, startDaemon, waitFor, type Daemon } from "../tools/process.js";

const VOLUME = "test";
const TIMEOUT_MS = 30_000;

/** Control and data. */
const PORTS_PER_REPLICA = 2;

export interface ReplicaNode {
  id: string;
  directory: string;
  address: string;
  /** names the boot of the machine that this replica pretends to be on */
  bootIdFile: string;
  process: Daemon;
}

export interface WitnessNode {
  directory: string;
  address: string;
  process: Daemon;
}

export interface EngineProcess {
  process: Daemon;
  /** null when it ended before it was ready */
  ready: EngineReady | null;
  status(): Promise<EngineStatus>;
  /** @throws with what the processes said, when the engine is not ready */
  url(): string;
}

export class Cluster {
  readonly directory = mkdtempSync(join(tmpdir(), "aurochs-test-"));
  readonly replicas: ReplicaNode[] = [];
  readonly #processes = new Set<Daemon>();
  readonly #engineBootIdFile = join(this.directory, "boot-engine");
  /** of engines that are started from now on */
  portal = "127.0.0.1:0";

  /** @param env of replicas, beside this process's own */
  constructor(
    private readonly size: string,
    private readonly env: NodeJS.ProcessEnv = {},
  ) {
    writeFileSync(this.#engineBootIdFile, "boot-1");
  }

  /** Adds a replica and starts it. @param directory another place for its data */
  async addReplica(directory?: string): Promise<ReplicaNode> {
    const id = `r${this.replicas.length + 1}`;
    const bootIdFile = join(this.directory, `boot-${id}`);
    writeFileSync(bootIdFile, "boot-1");
    const node = {
      id,
      directory: directory ?? join(this.directory, id),
      address: `127.0.0.1:${(await freePorts([], 1, PORTS_PER_REPLICA)).join()}`,
      bootIdFile,
    };
    const replica = { ...node, process: this.#startReplica(node) };
    this.replicas.push(replica);
    return replica;
  }

  /** Adds a witness, or a voter of one, and starts it; the engine has to be told of it. */
  async addWitness(name = "witness"): Promise<WitnessNode> {
    const directory = join(this.directory, name);
    const address = `127.0.0.1:${(await freePorts([], 1, 1)).join()}`;
    return { directory, address, process: this.#startWitness(directory, address) };
  }

  restartWitness(witness: WitnessNode): void {
    witness.process = this.#startWitness(witness.directory, witness.address);
  }

  #startWitness(directory: string, address: string): Daemon {
    return this.#start(["witness", directory, "--listen", address]);
  }

  /** Starts a replica's process again, on the same address. */
  restart(replica: ReplicaNode): void {
    replica.process = this.#startReplica(replica);
  }

  /** Ends a process without a word and waits until it is gone. */
  async kill(daemon: Daemon): Promise<void> {
    daemon.child.kill("SIGKILL");
    await waitFor("a process to end", TIMEOUT_MS, () => (isAlive(daemon.pid) ? undefined : true));
  }

  /** The machine of a replica restarts: what was not flushed counts as gone. */
  reboot(replica: ReplicaNode): void {
    writeFileSync(replica.bootIdFile, `boot-${Date.now()}`);
  }

  /** The machine of the engine restarts: its initiators are gone with it. */
  rebootEngine(): void {
    writeFileSync(this.#engineBootIdFile, `boot-${Date.now()}`);
  }

  /** Starts an engine on all replicas (or those given) and waits until it is ready or has ended. */
  startEngine(flags: string[] = [], replicas = this.replicas): Promise<EngineProcess> {
    return this.beginEngine(flags, replicas).settled;
  }

  /** The same without waiting. */
  beginEngine(
    flags: string[] = [],
    replicas = this.replicas,
  ): { process: Daemon; settled: Promise<EngineProcess> } {
    const readyFile = join(this.directory, "engine.json");
    rmSync(readyFile, { force: true });
    const process = this.#start([
      ...["engine", VOLUME, "--size", this.size, "--ready-file", readyFile],
      ...["--listen", "127.0.0.1:0", "--portal", this.portal, "--boot-id-file", this.#engineBootIdFile],
      ...replicas.flatMap(({ address }) => ["--replica", address]),
      ...flags,
    ]);
    return { process, settled: this.#settled(process, readyFile) };
  }

  async #settled(process: Daemon, readyFile: string): Promise<EngineProcess> {
    let ended = false;
    void process.ended.then(() => (ended = true));
    await waitFor("the engine to be ready or to end", 2 * TIMEOUT_MS, () =>
      ended || existsSync(readyFile) ? true : undefined,
    );
    const ready = existsSync(readyFile) ? (JSON.parse(readFileSync(readyFile, "utf8")) as EngineReady) : null;
    const url = (): string => {
      if (ready !== null) return ready.iscsi;
      const outputs = [process, ...this.replicas.map((replica) => replica.process)].map((daemon) =>
        daemon.output(),
      );
      throw new Error(`the engine is not ready:\n${outputs.join("\n")}`);
    };
    return { process, ready, url, status: () => askEngine(ready?.control ?? "") };
  }

  /** Ends all processes. */
  async end(): Promise<void> {
    for (const daemon of [...this.#processes]) if (isAlive(daemon.pid)) await this.kill(daemon);
  }

  /** Removes all data. */
  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #startReplica({ id, directory, address, bootIdFile }: Omit<ReplicaNode, "process">): Daemon {
    return this.#start(
      [
        ...["replica", directory, "--listen", address, "--volume", VOLUME, "--size", this.size],
        ...["--replica-id", id, "--boot-id-file", bootIdFile],
      ],
      this.env,
    );
  }

  #start(args: string[], env: NodeJS.ProcessEnv = {}): Daemon {
    const daemon = startDaemon("bin/aurochs", args, { env: { ...process.env, ...env } });
    this.#processes.add(daemon);
    void daemon.ended.then(() => this.#processes.delete(daemon));
    return daemon;
  }
}

/** A cluster for the time of `body`. */
export async function withCluster(size: string, body: (cluster: Cluster) => Promise<void>): Promise<void> {
  const cluster = new Cluster(size);
  try {
    await body(cluster);
  } finally {
    await cluster.end();
    cluster.remove();
  }
}

export function witnessCounts(engine: EngineProcess, counts: boolean): Promise<true> {
  return waitFor(`the witness ${counts ? "" : "not "}to count`, 2 * TIMEOUT_MS, async () => {
    const { witness } = await engine.status();
    return witness?.member === counts ? true : undefined;
  });
}
