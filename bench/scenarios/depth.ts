/** A chain of a hundred snapshots beside a volume with none that was written the same: what do reads and writes cost? */
import { load, prefill } from "../load.js";
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

async function run({ directory, quick, progress, signal }: Context): Promise<Figure[]> {
  const [size, count, rounds, seconds] = quick ? [64 * MIB, 5, 1, 0.3] : [GIB, 100, 31, 0.3];
  const flat = await LonghornVolume.start(`${directory}/flat`, size, signal);
  const deep = await LonghornVolume.start(`${directory}/deep`, size, signal).catch(async (error: unknown) => {
    await flat.stop();
    throw error;
  });
  const both = [flat, deep];
  const figures: Figure[] = [];
  const fill = async (): Promise<void> => {
    for (const { access } of both) await prefill(access, size, signal);
  };
  /** Round by round, one volume after the other. */
  const compare = async (what: string, name: string, before?: (round: number) => Promise<void>) => {
    const samples = new Map(both.map((volume) => [volume, [] as Sample[]]));
    for (let round = 0; round < rounds; round++) {
      await before?.(round);
      for (const volume of round % 2 === 0 ? both : [deep, flat]) {
        const request = {
          pattern: patternNamed(name),
          range: size,
          seconds,
          warmup: seconds / 4,
          seed: round,
        };
        samples.get(volume)?.push(await measureWithLoad(volume, request, signal));
      }
    }
    const ratio = (of: string, value: (sample: Sample) => number): void => {
      const values = (volume: LonghornVolume) => (samples.get(volume) ?? []).map(value);
      const { median, min, max } = summarizeRatios(values(deep), values(flat));
      progress(`${what}, ${of}: ${median.toFixed(2)}`);
      figures.push({ what: `${what}, ${of}`, value: median, unit: "", range: { min, max } });
    };
    ratio("IOPS", ({ iops }) => iops);
    ratio("CPU time of each", ({ cpuUs }) => Object.values(cpuUs).reduce((a, b) => a + b, 0));
  };
  try {
    progress("filling two volumes");
    await fill();
    const between = { pattern: patternNamed("randwrite-4k-d32"), range: size, seconds: SECONDS_BETWEEN, warmup: 0, processes: [] }; // prettier-ignore
    for (let taken = 0; taken < count; taken++) {
      for (const { access } of both) await load(access, { ...between, seed: taken }, signal);
      await deep.snapshot(`s${taken}`);
    }
    await compare("4 KiB random reads, depth 1", "randread-4k-d1");
    await compare("4 KiB random reads, depth 32", "randread-4k-d32");
    const empty = (round: number): Promise<void> => deep.snapshot(`empty${round}`);
    await compare("4 KiB random writes, depth 32, each to a head that is empty", "randwrite-4k-d32", empty);
    await fill();
    await compare("4 KiB random writes, depth 1, to a head that holds all", "randwrite-4k-d1");
    await compare("4 KiB random writes, depth 32, to a head that holds all", "randwrite-4k-d32");
    return figures;
  } finally {
    for (const volume of both) await volume.stop();
  }
}
