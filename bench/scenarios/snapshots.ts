/** A chain changes under load: how long do writes wait for it, and how long without? */
import { setTimeout as sleep } from "node:timers/promises";
import { load, type LoadResult } from "../load.js";
import { patternNamed } from "../patterns.js";
import { LonghornVolume } from "../setups/longhorn-volume.js";
import type { Context, Figure, Scenario } from "./scenario.js";

const GIB = 2 ** 30;
const DEPTH = 4;

/** ms from one snapshot, and one expansion, to the next */
const SNAPSHOT_EVERY_MS = 100;
const EXPAND_EVERY_MS = 1000;

export const snapshots: Scenario = {
  name: "snapshots",
  about:
    "100 snapshots of 50 GiB, expansions, and a purge of every other snapshot, under random writes at depth 4",
  run,
};

async function run({ directory, quick, progress, signal }: Context): Promise<Figure[]> {
  const [size, count, seconds] = quick ? [GIB / 4, 10, 1] : [50 * GIB, 100, 12];
  const volume = await LonghornVolume.start(directory, size, signal);
  const figures: Figure[] = [];
  let seed = 0;
  /** Writes until `work` ends, and for `seconds` at least. */
  const during = async (what: string, work: () => Promise<void>): Promise<void> => {
    progress(what);
    const runs: LoadResult[] = [];
    let ended = false;
    const request = { pattern: { ...patternNamed("randwrite-4k-d1"), depth: DEPTH }, range: GIB / 4, seconds, processes: [] }; // prettier-ignore
    const writes = async () => {
      do runs.push(await load(volume.access, { ...request, warmup: 0, seed: ++seed }, signal));
      while (!ended);
    };
    const worked = work().finally(() => (ended = true));
    await Promise.all([writes(), worked]);
    const worst = (key: "max" | "p999") => Math.max(...runs.map(({ latencyUs }) => latencyUs[key])) / 1000;
    figures.push({ what: `longest write ${what}`, value: worst("max"), unit: "ms" });
    figures.push({ what: `99.9 % of writes ${what}`, value: worst("p999"), unit: "ms" });
  };
  /** @returns ms of each */
  const every = async (
    ms: number,
    times: number,
    act: (time: number) => Promise<void>,
  ): Promise<number[]> => {
    const took: number[] = [];
    for (let time = 0; time < times; time++) {
      const begin = performance.now();
      await act(time);
      took.push(performance.now() - begin);
      await sleep(Math.max(0, ms - (performance.now() - begin)));
    }
    return took.sort((a, b) => a - b);
  };
  try {
    // What was never written before is another matter.
    await load(volume.access, { pattern: patternNamed("seqwrite-1m-d8"), range: GIB / 4, seconds: 2, warmup: 0, seed: 0, processes: [] }, signal); // prettier-ignore
    await during("with nothing else going on", () => Promise.resolve());
    let taken: number[] = [];
    await during("while snapshots are taken", async () => {
      taken = await every(SNAPSHOT_EVERY_MS, count, (time) => volume.snapshot(`s${time}`));
    });
    await during("while the volume grows", async () => {
      await every(EXPAND_EVERY_MS, seconds, (time) => volume.expand(size + (time + 1) * GIB, signal));
    });
    const odd = Array.from({ length: count >> 1 }, (_, i) => `s${2 * i + 1}`);
    await during("while every other snapshot is purged", () => volume.remove(odd, signal));
    await during("with nothing else going on, again", () => Promise.resolve());
    figures.push({ what: "a snapshot takes, median", value: taken[count >> 1] ?? 0, unit: "ms" });
    figures.push({ what: "a snapshot takes, longest", value: taken.at(-1) ?? 0, unit: "ms" });
    return figures;
  } finally {
    await volume.stop();
  }
}
