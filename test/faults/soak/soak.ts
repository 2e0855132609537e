/** A volume under load for as long as it is told, with a fault every now and then, and every block verified after each.
 *
 * The time is divided into three shifts. In each of them one process (the engine, a replica, the other one) is spared what
 * would end it, so that it lives long enough to show a leak. At the end of a shift everything loses its power. */
import { sleep } from "../../tools/process.js";
import { LONGHORN } from "../world/command-line.js";
import { cutEverything } from "../world/power.js";
import type { Replica } from "../world/replica.js";
import { World } from "../world/world.js";
import type { Bug } from "../lies/bugs.js";
import { Ledger, SECTORS, type Verified } from "./ledger.js";
import { DISK_MIB, SAMPLE_MS } from "./limits.js";
import { Lives, type Life } from "./samples.js";
import { choose } from "./strikes.js";

export interface SoakOptions {
  seed: number;
  seconds: number;
  /** s from one fault to the next */
  every: number;
  rate: number;
  /** names of `STRIKES` that it is chosen from */
  strikes: readonly string[];
  /** planted on purpose */
  bug: Bug | null;
  /** a fresh one, for data and logs */
  folder: string;
  /** a line for each fault */
  tell(line: string): void;
}

export interface Survived {
  seed: number;
  seconds: number;
  /** by kind */
  faults: Record<string, number>;
  operations: number;
  errors: number;
  lost: number;
  written: number;
  read: number;
  blocks: number;
  snapshots: number;
  verifications: number;
  /** s until all copies served again */
  longestRecovery: number;
  lives: Life[];
  violations: string[];
}

const POLL_MS = 100;
const POWER_CUT = "power-cut-everything";

export class Soak {
  readonly #begin = performance.now();
  readonly #ledger = new Ledger();
  readonly #lives = new Lives();
  readonly #survived: Survived;
  #stopped = false;

  constructor(private readonly options: SoakOptions) {
    this.#survived = {
      ...{ seed: options.seed, seconds: 0, faults: {}, lives: this.#lives.all, violations: [] },
      ...{ operations: 0, errors: 0, lost: 0, written: 0, read: 0, blocks: 0, snapshots: 0 },
      ...{ verifications: 0, longestRecovery: 0 },
    };
  }

  /** No further fault; `run` ends when the present one is over and verified. */
  stop(): void {
    this.#stopped = true;
  }

  /** Whatever happens, nothing of it runs afterwards. */
  async run(): Promise<Survived> {
    const { folder, seed, rate, bug, seconds } = this.options;
    const world = await World.make(folder, seed, { commandLine: LONGHORN, load: { sectors: SECTORS, rate } });
    let sampling: NodeJS.Timeout | undefined;
    try {
      for (const replica of world.replicas) await world.disk(replica, "ext4", DISK_MIB);
      await bug?.plant(world);
      await world.start();
      sampling = setInterval(() => this.#sample(world), SAMPLE_MS);
      const spared = ["engine", world.a, world.b] as const;
      for (const [index, each] of spared.entries()) {
        await this.#shift(world, each, (seconds * (index + 1)) / spared.length);
        if (this.#isOver) break;
      }
    } catch (error) {
      this.#survived.violations.push(`healthy: ${(error as Error).message}`);
    } finally {
      clearInterval(sampling);
      if (this.#survived.violations.length > 0) await world.keep();
      await world.remove();
    }
    this.#survived.seconds = this.#elapsed;
    return this.#survived;
  }

  async #shift(world: World, spared: Replica | "engine", until: number): Promise<void> {
    while (this.#elapsed < until && !this.#isOver) {
      const next = this.#elapsed + this.options.every;
      await world.moment();
      const { name, strike, replica } = choose(world, spared, this.options.strikes);
      const which = strike.ends === "replica" ? ` ${replica.host}` : "";
      await this.#fault(world, name, which, next, () => strike.play(world, replica));
    }
    if (this.#isOver) return;
    await this.#fault(world, POWER_CUT, "", this.#elapsed, () => cutEverything(world));
  }

  /** One fault, the time until the next one is due, and a look at everything. */
  async #fault(
    world: World,
    name: string,
    which: string,
    next: number,
    play: () => Promise<void>,
  ): Promise<void> {
    const begin = this.#elapsed;
    const { faults } = this.#survived;
    faults[name] = (faults[name] ?? 0) + 1;
    try {
      await play();
      await world.network.heal();
      await world.healthy();
    } catch (error) {
      throw new Error(`${name}${which}: ${(error as Error).message}`, { cause: error });
    }
    const recovery = this.#elapsed - begin;
    this.#survived.longestRecovery = Math.max(this.#survived.longestRecovery, recovery);
    while (this.#elapsed < next && !this.#stopped) await sleep(POLL_MS);
    const verified = await this.#ledger.verify(world);
    this.#count(verified);
    world.load.run();
    const { operations, blocks, violations } = verified;
    const found = violations.length === 0 ? "" : `  ${violations.length} VIOLATIONS`;
    this.options.tell(
      `${this.#elapsed.toFixed(0).padStart(6)} s  ${(name + which).padEnd(22)} ${recovery.toFixed(1).padStart(5)} s until healthy, ${operations} operations, ${blocks} blocks verified${found}`,
    );
  }

  #sample({ engine, replicas }: World): void {
    const processes = [
      { role: "engine", process: engine.process },
      ...replicas.map(({ host, process }) => ({ role: `replica ${host}`, process })),
    ];
    for (const { role, process } of processes)
      if (process.end === null) this.#lives.sample(role, process.pid);
  }

  #count({ violations, ...counts }: Verified): void {
    for (const [name, count] of Object.entries(counts) as [keyof typeof counts, number][])
      this.#survived[name] += count;
    this.#survived.verifications += 1;
    this.#survived.violations.push(...violations);
  }

  get #elapsed(): number {
    return (performance.now() - this.#begin) / 1000;
  }

  get #isOver(): boolean {
    return this.#stopped || this.#survived.violations.length > 0;
  }
}
