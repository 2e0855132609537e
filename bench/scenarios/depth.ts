/** A chain of a hundred snapshots beside a volume with none that was written the same: what do reads and writes cost? */
import { load, prefill, type Access } from "../load.js";
import { patternNamed } from "../patterns.js";
import { measureWithLoad, type Sample } from "../setup.js";
import { LonghornVolume } from "../setups/longhorn-volume.js";
import { summarizeRatios } from "../statistics.js";
import type { Context, Figure, Scenario } from "./scenario.js";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Of random writes before each snapshot, at depth 32. */
const SECONDS_BETWEEN = 0.1;

export const depth: Scenario = {
  name: "depth",
  about: "reads and writes with 100 snapshots, random writes in between, as a multiple of those with none",
  run,
};

type Pair = readonly [flat: LonghornVolume, deep: LonghornVolume];

interface Scale {
  size: number;
  snapshots: number;
  rounds: number;
  seconds: number;
  /** of random writes before all others, until nearly every block has been written */
  scatterSeconds: number;
}

async function run({ directory, quick, progress, signal }: Context): Promise<Figure[]> {
  const scale = quick
    ? { size: 64 * MIB, snapshots: 5, rounds: 1, seconds: 0.3, scatterSeconds: 1 }
    : { size: GIB, snapshots: 100, rounds: 31, seconds: 0.3, scatterSeconds: 40 };
  const comparison = new Comparison(scale, progress, signal);
  await withPair(`${directory}/ordered`, scale, signal, async (pair) => {
    const fill = async (): Promise<void> => {
      for (const { access } of pair) await prefill(access, scale.size, signal);
    };
    progress("filling two volumes");
    await fill();
    await comparison.reads(pair, "of what was first written 1 MiB at a time");
    await comparison.writes(pair, fill);
  });
  // The page cache keeps what is written at once in one piece, and finds it there faster than blocks that came one by one, whether
  // or not there are snapshots. Here no volume has any of that.
  await withPair(`${directory}/scattered`, scale, signal, async (pair) => {
    progress("filling two volumes at random");
    for (const { access } of pair) await scatter(access, scale, scale.scatterSeconds, 0, signal);
    await comparison.reads(pair, "of what was written 4 KiB at a time");
  });
  return comparison.figures;
}

async function withPair(
  directory: string,
  { size }: Scale,
  signal: AbortSignal,
  use: (pair: Pair) => Promise<void>,
): Promise<void> {
  const volumes: LonghornVolume[] = [];
  try {
    const flat = await LonghornVolume.start(`${directory}/flat`, size, signal);
    volumes.push(flat);
    const deep = await LonghornVolume.start(`${directory}/deep`, size, signal);
    volumes.push(deep);
    await use([flat, deep]);
  } finally {
    for (const volume of volumes) await volume.stop();
  }
}

/** Random writes, the same wherever `seed` is. */
function scatter(
  access: Access,
  { size }: Scale,
  seconds: number,
  seed: number,
  signal: AbortSignal,
): Promise<unknown> {
  const pattern = patternNamed("randwrite-4k-d32");
  return load(access, { pattern, range: size, seconds, warmup: 0, processes: [], seed }, signal);
}

class Comparison {
  readonly figures: Figure[] = [];

  constructor(
    private readonly scale: Scale,
    private readonly progress: (text: string) => void,
    private readonly signal: AbortSignal,
  ) {}

  /** Takes the snapshots. */
  async reads(pair: Pair, ofWhat: string): Promise<void> {
    const { scale, signal } = this;
    for (let taken = 0; taken < scale.snapshots; taken++) {
      for (const { access } of pair) await scatter(access, scale, SECONDS_BETWEEN, 1 + taken, signal);
      await pair[1].snapshot(`s${taken}`);
    }
    await this.#compare(pair, `4 KiB random reads ${ofWhat}, depth 1`, "randread-4k-d1");
    await this.#compare(pair, `4 KiB random reads ${ofWhat}, depth 32`, "randread-4k-d32");
  }

  /** @param fill writes everything */
  async writes(pair: Pair, fill: () => Promise<void>): Promise<void> {
    const [flat, deep] = pair;
    const empty = (round: number): Promise<void> => deep.snapshot(`empty${round}`);
    await this.#compare(pair, "4 KiB random writes, depth 32, each to a head that is empty", "randwrite-4k-d32", empty); // prettier-ignore
    await fill();
    await this.#compare(pair, "4 KiB random writes, depth 1, to a head that holds all", "randwrite-4k-d1");
    await this.#compare(pair, "4 KiB random writes, depth 32, to a head that holds all", "randwrite-4k-d32");
    // What depth costs, apart from what the file system asks for blocks that are new.
    const emptyBoth = async (round: number): Promise<void> => {
      for (const volume of pair) await volume.snapshot(`both${round}`);
      if (round > 0) await flat.remove([`both${round - 1}`], this.signal);
    };
    await this.#compare(pair, "4 KiB random writes, depth 32, each to a head that is empty, as a multiple of those with one snapshot", "randwrite-4k-d32", emptyBoth); // prettier-ignore
  }

  /** Round by round, one volume after the other. */
  async #compare(
    [flat, deep]: Pair,
    what: string,
    name: string,
    before?: (round: number) => Promise<void>,
  ): Promise<void> {
    const { rounds, seconds, size: range } = this.scale;
    const pattern = patternNamed(name);
    const samples = new Map<LonghornVolume, Sample[]>([flat, deep].map((volume) => [volume, []]));
    for (let round = 0; round < rounds; round++) {
      await before?.(round);
      for (const volume of round % 2 === 0 ? [flat, deep] : [deep, flat]) {
        const request = { pattern, range, seconds, warmup: seconds / 4, seed: round };
        samples.get(volume)?.push(await measureWithLoad(volume, request, this.signal));
      }
    }
    const ratio = (of: string, value: (sample: Sample) => number): void => {
      const values = (volume: LonghornVolume) => (samples.get(volume) ?? []).map(value);
      const { median, min, max } = summarizeRatios(values(deep), values(flat));
      this.progress(`${what}, ${of}: ${median.toFixed(2)}`);
      this.figures.push({ what: `${what}, ${of}`, value: median, unit: "", range: { min, max } });
    };
    ratio("IOPS", ({ iops }) => iops);
    ratio("CPU time of each", ({ cpuUs }) => Object.values(cpuUs).reduce((a, b) => a + b, 0));
  }
}
