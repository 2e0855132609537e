/** A volume whose replicas and engine are started one by one, so that a scenario can take one away. */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { freePorts } from "../../cli/free-ports.js";
import { askEngine } from "../../cli/status.js";
import type { EngineReady } from "../../engine/main.js";
import type { ReplicaStatus } from "../../proto/control.js";
import { Service } from "../child.js";
import { SCENARIO_WAIT_MS_MAX } from "../limits.js";
import { waitFor } from "../setups/wait.js";

const aurochs = fileURLToPath(new URL("../../../bin/aurochs", import.meta.url));
const VOLUME = "bench";
const POLL_MS = 20;

export interface Replica {
  directory: string;
  address: string;
  service: Service;
}

export class BenchVolume {
  readonly replicas: Replica[] = [];
  #engine: Service | null = null;
  #ready: EngineReady | null = null;

  constructor(
    private readonly directory: string,
    private readonly size: number,
    private readonly signal: AbortSignal,
  ) {}

  get access(): { iscsi: string } {
    if (this.#ready === null) throw new Error("the engine is not started");
    return { iscsi: this.#ready.iscsi };
  }

  async addReplica(): Promise<Replica> {
    const directory = `${this.directory}/replica-${this.replicas.length + 1}`;
    await mkdir(directory, { recursive: true });
    const address = `127.0.0.1:${(await freePorts([], 1, 2)).join()}`;
    const replica = { directory, address, service: this.#startReplica(directory, address) };
    this.replicas.push(replica);
    return replica;
  }

  /** Starts the process of a replica again, on the same address. */
  restart(replica: Replica): void {
    replica.service = this.#startReplica(replica.directory, replica.address);
  }

  /** Resolves when initiators can log in. */
  startEngine(): Promise<void> {
    return this.#start("127.0.0.1:0", []);
  }

  /** Starts another engine in the place of the one that serves, which hands over and ends. Resolves when the next one serves. */
  async upgradeEngine(): Promise<void> {
    const before = this.#engine;
    await this.#start(new URL(this.access.iscsi).host, ["--upgrade"]);
    await before?.stop();
  }

  async #start(portal: string, flags: readonly string[]): Promise<void> {
    const readyFile = `${this.directory}/engine.json`;
    await rm(readyFile, { force: true });
    const engine = Service.start(aurochs, [
      ...["engine", VOLUME, "--size", String(this.size), "--ready-file", readyFile],
      ...["--listen", "127.0.0.1:0", "--portal", portal, ...flags],
      ...this.replicas.flatMap(({ address }) => ["--replica", address]),
    ]);
    this.#engine = engine;
    await waitFor("the engine", this.signal, () => {
      engine.assertRunning();
      return Promise.resolve(existsSync(readyFile) ? true : undefined);
    });
    this.#ready = JSON.parse(readFileSync(readyFile, "utf8")) as EngineReady;
  }

  /** Waits until a replica is in one of those modes. @returns its status then */
  async mode(replica: Replica, ...wanted: string[]): Promise<ReplicaStatus> {
    const end = Date.now() + SCENARIO_WAIT_MS_MAX;
    for (;;) {
      this.signal.throwIfAborted();
      const { replicas } = await askEngine(this.#ready?.control ?? "");
      const status = replicas.find(({ address }) => address === replica.address);
      if (status !== undefined && wanted.includes(status.mode)) return status;
      if (Date.now() > end)
        throw new Error(`${replica.address} is ${status?.mode ?? "unknown"}, not ${wanted.join(" or ")}`);
      await sleep(POLL_MS);
    }
  }

  /** Ends all processes and removes the data. Idempotent. */
  async stop(): Promise<void> {
    await this.#engine?.stop();
    for (const { service } of this.replicas) await service.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  #startReplica(directory: string, address: string): Service {
    return Service.start(aurochs, [
      ...["replica", directory, "--listen", address, "--volume", VOLUME, "--size", String(this.size)],
    ]);
  }
}
