/** The measurement: all set-ups side by side, one run at a time, A B A B. */
import { mkdtemp, rm, statfs } from "node:fs/promises";
import { prefill, type NamedProcess } from "./load.js";
import { privateBytes } from "./memory.js";
import type { Options } from "./options.js";
import type { Pattern } from "./patterns.js";
import type { Sample, Setup, SetupKind } from "./setup.js";

/** Private bytes by process. */
export type Memory = Record<string, number>;

export interface Measurements {
  /** `samples[target][pattern]`, one for each round. */
  samples: Record<string, Record<string, Sample[]>>;
  /** By target: once it serves, and after all rounds. Empty with `--fresh`. */
  memory: Record<string, { idle: Memory; loaded: Memory }>;
}

/** Told what is going on, for people. */
export type Progress = (line: string) => void;

// Room for file system overhead and for what else lives there.
const SPARE_SPACE = 1.1;

async function checkSpace({ directory, targets, size, fresh }: Options): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const perByte = targets.map(({ spacePerByte }) => spacePerByte);
  // Fresh volumes live one at a time.
  const needed =
    size * SPARE_SPACE * (fresh ? Math.max(...perByte) : perByte.reduce((sum, each) => sum + each, 0));
  if (bavail * bsize < needed) {
    const mib = (bytes: number): number => Math.ceil(bytes / 2 ** 20);
    throw new Error(`${directory} has ${mib(bavail * bsize)} MiB free; ${mib(needed)} MiB are needed`);
  }
}

async function memoryOf(processes: readonly NamedProcess[]): Promise<Memory> {
  const memory: Memory = {};
  for (const { name, pid } of processes) memory[name] = await privateBytes(pid);
  return memory;
}

class Measurer {
  readonly #measurements: Measurements = { samples: {}, memory: {} };

  constructor(
    readonly options: Options,
    readonly directory: string,
    readonly progress: Progress,
    readonly signal: AbortSignal,
  ) {}

  async run(): Promise<Measurements> {
    if (this.options.fresh) await this.#measureFresh();
    else await this.#measurePrefilled();
    return this.#measurements;
  }

  async #measurePrefilled(): Promise<void> {
    const { targets, patterns, rounds, size } = this.options;
    const setups: { kind: SetupKind; setup: Setup }[] = [];
    try {
      for (const kind of targets) {
        this.progress(`starting and filling ${kind.name}`);
        const setup = await this.#start(kind);
        setups.push({ kind, setup });
        this.#measurements.memory[kind.name] = { idle: await memoryOf(setup.processes), loaded: {} };
        await prefill(setup.access, size, this.signal);
      }
      for (const pattern of patterns) {
        for (let round = 0; round < rounds; ++round) {
          for (const { kind, setup } of setups) await this.#measure(kind, setup, pattern, round);
        }
      }
      for (const { kind, setup } of setups) {
        const memory = this.#measurements.memory[kind.name];
        if (memory !== undefined) memory.loaded = await memoryOf(setup.processes);
      }
    } finally {
      for (const { setup } of setups) await setup.stop();
    }
  }

  async #measureFresh(): Promise<void> {
    const { targets, patterns, rounds } = this.options;
    for (const pattern of patterns) {
      for (let round = 0; round < rounds; ++round) {
        for (const kind of targets) {
          const setup = await this.#start(kind);
          try {
            await this.#measure(kind, setup, pattern, round);
          } finally {
            await setup.stop();
          }
        }
      }
    }
  }

  #start(kind: SetupKind): Promise<Setup> {
    return kind.start({ directory: `${this.directory}/${kind.name}`, size: this.options.size }, this.signal);
  }

  async #measure(kind: SetupKind, setup: Setup, pattern: Pattern, round: number): Promise<void> {
    const { size, seconds, warmup, rounds } = this.options;
    // A new seed each round: caches do not see the same offsets again.
    const request = { pattern, range: size, seconds, warmup, seed: round + 1 };
    const sample = await setup.measure(request, this.signal).catch((error: unknown) => {
      throw new Error(`${pattern.name} on ${kind.name} failed`, { cause: error });
    });
    ((this.#measurements.samples[kind.name] ??= {})[pattern.name] ??= []).push(sample);
    this.progress(
      `${pattern.name} round ${round + 1}/${rounds} ${kind.name}: ${Math.round(sample.iops)} IOPS, ` +
        `p50 ${Math.round(sample.latencyUs.p50)} us` +
        (sample.otherCores === undefined ? "" : `, ${sample.otherCores.toFixed(2)} cores busy elsewhere`),
    );
  }
}

/** Starts the set-ups, measures, and stops them, whatever happens. */
export async function measureAll(
  options: Options,
  progress: Progress,
  signal: AbortSignal,
): Promise<Measurements> {
  await checkSpace(options);
  const directory = await mkdtemp(`${options.directory}/aurochs-bench-`);
  try {
    return await new Measurer(options, directory, progress, signal).run();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
