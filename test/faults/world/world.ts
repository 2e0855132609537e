/** All that a scenario plays with: the hosts a, b (replicas), e (engine) and i (initiators), what runs there, and the faults. */
import { mkdirSync } from "node:fs";
import { Load } from "../load/load.js";
import { Network } from "../net/network.js";
import { numbers } from "../../tools/random.js";
import { sleep } from "../../tools/process.js";
import { RECOVERY_MS } from "../limits.js";
import type { Time } from "../history/operation.js";
import { Engine } from "./engine.js";
import { Replica } from "./replica.js";

export class World {
  /** below `n`, by the scenario's seed */
  readonly random: (below: number) => number;
  /** when everything lost its power */
  readonly cuts: Time[] = [];
  /** what was said clearly, and what was not */
  readonly said: { what: string; clear: boolean }[] = [];
  /** undone in the end, the last one first: disks, further processes */
  readonly #cleanUps: (() => Promise<void>)[] = [];

  private constructor(
    readonly folder: string,
    readonly seed: number,
    readonly network: Network,
    readonly a: Replica,
    readonly b: Replica,
    readonly engine: Engine,
    readonly load: Load,
  ) {
    this.random = numbers(seed);
  }

  get replicas(): [Replica, Replica] {
    return [this.a, this.b];
  }

  /** @param folder a fresh one, for data and logs */
  static async make(folder: string, seed: number): Promise<World> {
    mkdirSync(folder, { recursive: true });
    const network = await Network.make(["a", "b", "e", "i"]);
    const [a, b] = [new Replica("a", network, folder), new Replica("b", network, folder)];
    const engine = new Engine("e", network, folder, [a.address, b.address]);
    const load = await Load.start("i", network, folder, engine.url, seed);
    return new World(folder, seed, network, a, b, engine, load);
  }

  /** Starts everything, and the load with it. */
  async start(): Promise<void> {
    for (const replica of this.replicas) replica.start();
    await this.engine.mustStart();
    this.load.run();
    await this.load.progress(200);
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

  /** Everything loses its power now: call it before the disks do. */
  cut(): void {
    this.cuts.push(Number(process.hrtime.bigint()));
  }

  /** Notes whether something that is wrong was said clearly. */
  clearly(what: string, clear: boolean): void {
    this.said.push({ what, clear });
  }

  /** Does `undo` in the end, however the scenario goes. */
  finally(undo: () => Promise<void>): void {
    this.#cleanUps.push(undo);
  }

  async remove(): Promise<void> {
    await this.load.kill();
    await this.engine.end();
    for (const replica of this.replicas) if (replica.isRunning) await replica.kill();
    for (const undo of this.#cleanUps.reverse()) await undo();
    await this.network.remove();
  }
}
