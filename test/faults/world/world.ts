/** All that a scenario plays with: hosts, what runs there, and what can happen to them. */
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Load } from "../load/load.js";
import { Network } from "../net/network.js";
import { numbers } from "../../tools/random.js";
import { run, sleep } from "../../tools/process.js";
import { LOAD_RATE, LOAD_SECTORS, RECOVERY_MS } from "../limits.js";
import type { Time } from "../history/operation.js";
import type { LieName } from "../lies/lie.js";
import { ForgetfulDisk } from "../../powercut/forgetful-disk.js";
import { AUROCHS, type CommandLine } from "./command-line.js";
import { Engine } from "./engine.js";
import { HostProcess } from "./host-process.js";
import { Replica, REPLICA_PORT } from "./replica.js";
import { Witness, WITNESS_HOST, witnessCounts } from "./witness.js";

/** replicas, engines, initiators */
const HOSTS = ["a", "b", "e", "f", "i"] as const;

export interface WorldOptions {
  commandLine: CommandLine;
  /** there is one, on a host of its own */
  witness: boolean;
  /** sectors that the load uses, and operations that it starts a second */
  load: { sectors: number; rate: number };
}

const FOR_SCENARIOS: WorldOptions = {
  commandLine: AUROCHS,
  witness: false,
  load: { sectors: LOAD_SECTORS, rate: LOAD_RATE },
};

export class World {
  /** below `n`, by the scenario's seed */
  readonly random: (below: number) => number;
  /** when everything lost its power */
  readonly cuts: Time[] = [];
  /** what was said clearly, and what was not */
  readonly said: { what: string; clear: boolean }[] = [];
  /** what was done, and whether it took hold */
  readonly strikes: { what: string; held: boolean }[] = [];
  /** what was otherwise than the scenario says */
  readonly notes: string[] = [];
  readonly #liars: HostProcess[] = [];
  /** undone in the end, the last one first: disks, further processes */
  readonly #cleanUps: (() => Promise<void>)[] = [];

  /** one that a scenario may start on another host, on the same replicas */
  otherEngine: Engine;
  /** the one that serves now, or should */
  engine: Engine;
  readonly loads: Load[] = [];
  readonly disks = new Map<Replica, ForgetfulDisk>();
  readonly witness: Witness | null;

  private constructor(
    readonly folder: string,
    readonly seed: number,
    readonly network: Network,
    readonly a: Replica,
    readonly b: Replica,
    private readonly options: WorldOptions,
  ) {
    this.random = numbers(seed);
    const addresses = this.replicas.map(({ address }) => address);
    const { commandLine } = options;
    this.engine = new Engine("e", network, folder, addresses, commandLine);
    this.otherEngine = new Engine("f", network, folder, addresses, commandLine);
    this.witness = options.witness ? new Witness(network, folder) : null;
    if (this.witness !== null)
      for (const engine of [this.engine, this.otherEngine])
        engine.flags.push("--witness", this.witness.address);
    const onStruck = (what: string, held: boolean): void => this.struck(what, held);
    for (const one of [...this.replicas, this.engine, this.otherEngine]) one.onStruck = onStruck;
    if (this.witness !== null) this.witness.onStruck = onStruck;
    network.onGood = (met) => {
      const touched = [...met.values()].some(({ lost, changed }) => lost + changed > 0);
      this.struck(`frames ${[...met.keys()].join(", ")} are lost, delayed or doubled`, touched);
    };
  }

  get replicas(): [Replica, Replica] {
    return [this.a, this.b];
  }

  /** What the engine knows a replica by. */
  addressOf(replica: Replica): string {
    return this.engine.replicas[this.replicas.indexOf(replica)] ?? "";
  }

  /** the load that runs from the beginning */
  get load(): Load {
    const [load] = this.loads;
    if (load === undefined) throw new Error("there is no load yet");
    return load;
  }

  /** @param folder a fresh one, for data and logs */
  static async make(folder: string, seed: number, different: Partial<WorldOptions> = {}): Promise<World> {
    const options = { ...FOR_SCENARIOS, ...different };
    mkdirSync(folder, { recursive: true });
    const network = await Network.make(options.witness ? [...HOSTS, WITNESS_HOST] : HOSTS);
    return new World(
      ...([folder, seed, network] as const),
      new Replica("a", network, folder, options.commandLine),
      new Replica("b", network, folder, options.commandLine),
      options,
    );
  }

  /** Starts everything, and a load with it. */
  async start(): Promise<void> {
    for (const replica of this.replicas) replica.start();
    this.witness?.start();
    await this.engine.mustStart();
    if (this.witness !== null) await witnessCounts(this.engine, true);
    const load = await this.addLoad(this.engine);
    load.run();
    await load.progress(200);
  }

  /** Further initiators on host i; they do nothing yet. */
  async addLoad(engine: Engine): Promise<Load> {
    const { folder, network, seed } = this;
    const number = this.loads.length;
    const load = await Load.start({
      host: "i",
      network,
      folder,
      url: engine.url,
      seed: seed + number,
      number,
      ...this.options.load,
    });
    this.loads.push(load);
    return load;
  }

  /** Another engine is the one that serves from now on. */
  switchEngines(): void {
    const { engine } = this;
    this.engine = this.otherEngine;
    this.otherEngine = engine;
  }

  /** Waits for up to so long: when something strikes is part of the seed. */
  async moment(msMax = 300): Promise<void> {
    await sleep(this.random(msMax));
  }

  /** Waits until every copy serves. */
  async healthy(patienceMs = RECOVERY_MS): Promise<void> {
    await this.engine.until(
      "a healthy volume",
      ({ state, replicas }) => state === "serving" && replicas.every(({ mode }) => mode === "RW"),
      patienceMs,
    );
  }

  /** Something that does not tell the truth stands before a replica, see `lies/`. Before the engine is started. */
  async lie(replica: Replica, name: LieName): Promise<void> {
    const proxy = new HostProcess({
      inside: this.network.inside(replica.host),
      argv: [
        ...["node", "dist/test/faults/lies/proxy.js", this.network.secondAddress(replica.host)],
        ...[this.network.address(replica.host), REPLICA_PORT, name, this.seed].map(String),
      ],
      log: join(this.folder, `lie-${replica.host}.log`),
      talks: true,
    });
    this.finally(() => proxy.kill());
    this.#liars.push(proxy);
    await once(proxy.stdout, "data"); // it listens
    const instead = `${this.network.secondAddress(replica.host)}:${REPLICA_PORT}`;
    for (const engine of [this.engine, this.otherEngine])
      engine.replicas = engine.replicas.map((address) => (address === replica.address ? instead : address));
  }

  /** What stands before replicas is honest from now on. */
  endLies(): void {
    for (const proxy of this.#liars) proxy.signal("SIGUSR1");
  }

  /** Puts a replica's data on a disk of its own. Before it is started. */
  async disk(replica: Replica, type: "ext4" | "xfs" = "ext4", mebibytes = 512): Promise<ForgetfulDisk> {
    const disk = await this.#makeDisk(type, mebibytes, async () => {
      if (replica.isRunning) await replica.kill();
    });
    replica.directory = join(disk.mountPoint, "replica");
    this.disks.set(replica, disk);
    return disk;
  }

  /** The same for what a witness keeps. */
  async diskOf(witness: Witness, mebibytes = 64): Promise<ForgetfulDisk> {
    const disk = await this.#makeDisk("ext4", mebibytes, () => witness.kill());
    witness.directory = join(disk.mountPoint, "witness");
    return disk;
  }

  async #makeDisk(
    type: "ext4" | "xfs",
    mebibytes: number,
    free: () => Promise<void>,
  ): Promise<ForgetfulDisk> {
    const disk = await ForgetfulDisk.make(type, mebibytes);
    disk.onMet = (fault, requests) => this.struck(`${requests} requests met: ${fault}`, requests > 0);
    this.finally(async () => {
      await free();
      await disk.remove();
    });
    return disk;
  }

  /** Notes whether something that is wrong was said clearly. */
  clearly(what: string, clear: boolean): void {
    this.said.push({ what, clear });
  }

  /** Notes whether what was done had an effect: a scenario in which nothing happens proves nothing. */
  struck(what: string, held: boolean): void {
    this.strikes.push({ what, held });
  }

  /** Does `undo` in the end, however the scenario goes. */
  finally(undo: () => Promise<void>): void {
    this.#cleanUps.push(undo);
  }

  /** Copies what is on disks that go with the rig to where the logs are: somebody will want to look at it. */
  async keep(): Promise<void> {
    for (const { host, directory } of this.disks.keys())
      await run("cp", ["--archive", directory, join(this.folder, `data-${host}`)]).catch(() => undefined);
  }

  async remove(): Promise<void> {
    for (const load of this.loads) await load.kill();
    this.otherEngine.thaw();
    this.engine.thaw();
    await this.otherEngine.end();
    await this.engine.end();
    // One on a disk that hangs ends when the disk is taken away.
    for (const replica of this.replicas) if (replica.isRunning) replica.process.signal("SIGKILL");
    this.witness?.thaw();
    await this.witness?.kill();
    for (const undo of this.#cleanUps.reverse()) await undo();
    await this.network.remove();
  }
}
