/** A whole storage system on one machine: a manager, and an agent for each node. Keeps them running, and stops all in order. */
import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EXIT } from "../../engine/exit-codes.js";
import { formatHostPort, type HostPort } from "../../engine/host-port.js";
import { lockFile } from "../../native/index.js";
import { Child } from "../child.js";
import { ReadyFile, readReadyFile } from "../ready-file.js";
import { aborted, stopSignal } from "../signals.js";
import { Network } from "./network.js";

export interface SystemOptions {
  stateDirectory: string;
  /** their names */
  nodes: readonly string[];
  /** this machine is the one node; otherwise they are in network namespaces */
  isOneMachine: boolean;
  /** of the API */
  listen: HostPort;
  /** a CSI driver for each node as well */
  csi: boolean;
  tokenFile: string | null;
  readyFile: string | null;
}

interface SystemNode {
  name: string;
  address: string;
  /** its own part of the state directory */
  directory: string;
  /** what runs a program there, put before it */
  inside: readonly string[];
  agent: Child;
  /** on this machine itself, whose mounts it makes; null: none */
  csi: Child | null;
}

/** The first of an agent's four ports, as Longhorn's instance manager has them. */
const AGENT_PORT = 8500;
const INSTANCE_PORT = AGENT_PORT + 3;

/** ms that a driver, a manager, and an agent with all engines and replicas, may take to stop. */
const CSI_STOP_MS = 30_000;
const MANAGER_STOP_MS = 30_000;
const AGENT_STOP_MS = 90_000;

const START_FAILURES_MAX = 5;
const POLL_MS = 100;

/** Copies that a volume gets, if there are as many nodes. */
const REPLICAS = 2;

export class System {
  readonly #stop = stopSignal();
  readonly #failure = new AbortController();
  readonly #network: Network | null;
  readonly #nodes: SystemNode[];
  readonly #manager: Child;
  readonly #readyFile: ReadyFile;
  #problem: string | null = null;
  #url = "";
  #isReady = false;

  constructor(private readonly options: SystemOptions) {
    const { stateDirectory, nodes, isOneMachine } = options;
    this.#readyFile = new ReadyFile(options.readyFile);
    this.#network = isOneMachine ? null : new Network(stateDirectory);
    this.#nodes = nodes.map((name, index) => this.#node(name, index));
    this.#manager = new Child({
      args: () => this.#managerArguments(),
      logFile: join(stateDirectory, "logs", "manager.log"),
      onStart: () => this.#update(),
      onEnd: (code, signal, failures) => this.#onEnd("the manager", code, signal, failures),
    });
  }

  /** @returns the exit code */
  async run(): Promise<number> {
    const { stateDirectory } = this.options;
    for (const folder of ["logs", "manager"])
      mkdirSync(join(stateDirectory, folder), { recursive: true, mode: 0o700 });
    for (const { directory } of this.#nodes) mkdirSync(directory, { recursive: true });
    const lock = openSync(join(stateDirectory, "up.lock"), "w");
    try {
      if (!lockFile(lock)) throw new Error(`${stateDirectory} is in use by another aurochs up`);
      const stale = this.#readyFile.remove();
      if (stale !== null) throw stale;
      rmSync(this.#managerFile, { force: true });
      await this.#network?.make(this.#nodes.length);
      await this.#serve();
    } catch (error) {
      this.#problem = (error as Error).message;
    } finally {
      closeSync(lock);
    }
    if (this.#problem !== null) process.stderr.write(`aurochs up: ${this.#problem}\n`);
    return this.#problem === null ? EXIT.OK.code : EXIT.FAILED.code;
  }

  async #serve(): Promise<void> {
    try {
      for (const { agent } of this.#nodes) agent.start();
      this.#manager.start();
      await Promise.race([this.#watch(), aborted(this.#failure.signal)]);
    } finally {
      await this.#end();
    }
  }

  #node(name: string, index: number): SystemNode {
    const { stateDirectory } = this.options;
    const directory = join(stateDirectory, name);
    const address = this.#network?.address(index) ?? "127.0.0.1";
    const inside = this.#network?.inside(index) ?? [];
    const agent = new Child({
      args: () => [
        ...["instance-manager", "--state-dir", join(directory, "state"), "--stop-instances"],
        ...["--listen", formatHostPort({ host: address, port: AGENT_PORT })],
        ...["--data-path", join(directory, "disk")],
      ],
      inside,
      logFile: join(stateDirectory, "logs", `${name}.log`),
      onStart: () => this.#update(),
      onEnd: (code, signal, failures) => this.#onEnd(`the agent of ${name}`, code, signal, failures),
    });
    return {
      name,
      address,
      directory,
      inside,
      agent,
      csi: this.options.csi ? this.#csi(name, directory) : null,
    };
  }

  #csi(name: string, directory: string): Child {
    const { stateDirectory, tokenFile } = this.options;
    return new Child({
      args: () => [
        ...["csi", "--node-id", name, "--endpoint", `unix://${join(directory, "csi.sock")}`],
        ...["--manager-url", `${this.#url}/v1`],
        ...(tokenFile === null ? [] : ["--token-file", tokenFile]),
      ],
      logFile: join(stateDirectory, "logs", `${name}-csi.log`),
      onStart: () => this.#update(),
      onEnd: (code, signal, failures) => this.#onEnd(`the CSI driver of ${name}`, code, signal, failures),
    });
  }

  #managerArguments(): string[] {
    const { stateDirectory, listen, tokenFile } = this.options;
    return [
      ...["manager", "--state-dir", join(stateDirectory, "manager"), "--listen", formatHostPort(listen)],
      ...["--ready-file", this.#managerFile],
      ...this.#nodes.flatMap(({ name, address }) => [
        "--node",
        `${name}=${formatHostPort({ host: address, port: INSTANCE_PORT })}`,
      ]),
      ...["--setting", `default-replica-count=${Math.min(REPLICAS, this.#nodes.length)}`],
      ...(tokenFile === null ? [] : ["--token-file", tokenFile]),
    ];
  }

  get #managerFile(): string {
    return join(this.options.stateDirectory, "manager", "ready.json");
  }

  #onEnd(name: string, code: number | null, signal: string | null, failures: number): boolean {
    const how = `${name} ended with ${signal ?? `code ${code ?? ""}`}`;
    this.#update();
    if (!this.#isReady && failures >= START_FAILURES_MAX) {
      this.#problem = `${how}; its log is in ${join(this.options.stateDirectory, "logs")}`;
      this.#failure.abort();
      return false;
    }
    process.stderr.write(`aurochs up: ${how}; it is started again\n`);
    return true;
  }

  /** Until a signal. */
  async #watch(): Promise<void> {
    while (!this.#isReady && !this.#stop.aborted) {
      await sleep(POLL_MS, undefined, { signal: this.#stop }).catch(() => undefined);
      const ready = readReadyFile(this.#managerFile) as { url: string; pid: number } | null;
      if (ready === null || ready.pid !== this.#manager.pid) continue;
      this.#isReady = true;
      this.#url = ready.url;
      for (const { csi } of this.#nodes) csi?.start();
      const error = this.#write();
      if (error !== null) throw error;
      process.stdout.write(
        `The API is at ${ready.url}/v1; nodes: ${this.#nodes.map(({ name }) => name).join(", ")}.\n` +
          "Now, for example: aurochs volume create demo --size 2GiB --frontend iscsi\n",
      );
    }
    await aborted(this.#stop);
  }

  async #end(): Promise<void> {
    this.#problem ??= this.#readyFile.remove()?.message ?? null;
    const drivers = this.#nodes.map(({ csi }) => csi?.stop(CSI_STOP_MS) ?? Promise.resolve(true));
    // The manager first: it would start again what the agents stop.
    const clean = [...(await Promise.all(drivers)), await this.#manager.stop(MANAGER_STOP_MS)];
    clean.push(...(await Promise.all(this.#nodes.map(({ agent }) => agent.stop(AGENT_STOP_MS)))));
    if (clean.every(Boolean)) await this.#network?.remove(this.#nodes.length);
    else this.#problem ??= "not all could be stopped in time";
  }

  /** Tells scripts how things stand: what serves goes on where that cannot be told. */
  #update(): void {
    const error = this.#write();
    if (error !== null) process.stderr.write(`aurochs up: ${error.message}\n`);
  }

  #write(): Error | null {
    if (!this.#isReady) return null;
    return this.#readyFile.write({
      url: this.#url,
      manager: { pid: this.#manager.pid },
      nodes: this.#nodes.map(({ name, address, directory, inside, agent, csi }) => ({
        ...{ name, address, directory, inside, agent: { pid: agent.pid } },
        ...(csi === null ? {} : { csi: { pid: csi.pid, socket: join(directory, "csi.sock") } }),
      })),
    });
  }
}
