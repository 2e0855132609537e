/**
 * A chain changes under load: how long do writes wait for it, and how long without? What they wait for is told apart: the engine says how
 * long it held I/O, and what disk, kernel and processors are busy with, a plain file beside the volume waits for as well.
 */
import { truncate, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { load, type Access, type LoadResult } from "../load.js";
import { replaceFile } from "../../replica/durable-file.js";
import { patternNamed } from "../patterns.js";
import { median } from "../statistics.js";
import { LonghornVolume } from "../setups/longhorn-volume.js";
import type { Context, Figure, Scenario } from "./scenario.js";

const GIB = 2 ** 30;
const DEPTH = 4;

/** Writes per second to the plain file: enough to meet whatever lasts, and little beside those to the volume. */
const BESIDE_PER_SECOND = 500;

/** Of the plain file that is replaced durably: about what writes at depth 4 leave between the last two flushes. */
const BESIDE_REPLACED_BYTES = 64 * 1024;

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
  const during = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    progress(what);
    let ended = false;
    const request = { pattern: { ...patternNamed("randwrite-4k-d1"), depth: DEPTH }, range: GIB / 4, seconds, processes: [] }; // prettier-ignore
    const writes = async (access: Access, limits: { rate?: number } = {}) => {
      const runs: LoadResult[] = [];
      do runs.push(await load(access, { ...request, ...limits, warmup: 0, seed: ++seed }, signal));
      while (!ended);
      return (key: "max" | "p999") => Math.max(...runs.map(({ latencyUs }) => latencyUs[key])) / 1000;
    };
    // Like a new head it has no blocks yet.
    const file = `${directory}/beside.img`;
    await writeFile(file, "");
    await truncate(file, GIB / 4);
    const worked = work().finally(() => (ended = true));
    const [result, worst, beside] = await Promise.all([
      worked,
      writes(volume.access),
      writes({ file, buffered: true }, { rate: BESIDE_PER_SECOND }),
    ]);
    figures.push({ what: `longest write ${what}`, value: worst("max"), unit: "ms" });
    figures.push({ what: `99.9 % of writes ${what}`, value: worst("p999"), unit: "ms" });
    figures.push({ what: "longest write to a plain file meanwhile", value: beside("max"), unit: "ms" });
    return result;
  };
  /** What the disk alone needs for what I/O is held for: some data and a rename are made durable. */
  const replaced: number[] = [];
  const replaceBeside = async () => {
    for (let time = 0; time < count; time++) {
      const begin = performance.now();
      await replaceFile(`${directory}/beside.meta`, "x".repeat(BESIDE_REPLACED_BYTES));
      replaced.push(performance.now() - begin);
      await sleep(SNAPSHOT_EVERY_MS);
    }
  };
  /** @returns of each: ms that it took, and that I/O was held for it */
  const every = async (ms: number, times: number, act: (time: number) => Promise<void>) => {
    const took: number[] = [];
    const held: number[] = [];
    for (let time = 0; time < times; time++) {
      const heldBefore = await volume.held();
      const begin = performance.now();
      await act(time);
      took.push(performance.now() - begin);
      held.push((await volume.held()) - heldBefore);
      await sleep(Math.max(0, ms - (performance.now() - begin)));
    }
    return { took, held };
  };
  const tell = (what: string, values: readonly number[]) => {
    figures.push({ what: `${what}, median`, value: median(values), unit: "ms" });
    figures.push({ what: `${what}, longest`, value: Math.max(...values), unit: "ms" });
  };
  try {
    // What was never written before is another matter.
    await load(volume.access, { pattern: patternNamed("seqwrite-1m-d8"), range: GIB / 4, seconds: 2, warmup: 0, seed: 0, processes: [] }, signal); // prettier-ignore
    await during("with nothing else going on", () => Promise.resolve());
    const snapshots = await during("while snapshots are taken", () =>
      every(SNAPSHOT_EVERY_MS, count, (time) => volume.snapshot(`s${time}`)),
    );
    const expansions = await during("while the volume grows", () =>
      every(EXPAND_EVERY_MS, seconds, (time) => volume.expand(size + (time + 1) * GIB, signal)),
    );
    const odd = Array.from({ length: count >> 1 }, (_, i) => `s${2 * i + 1}`);
    const beforePurge = await volume.held();
    await during("while every other snapshot is purged", () => volume.remove(odd, signal));
    const purge = (await volume.held()) - beforePurge;
    await during("while a plain file beside is replaced", replaceBeside);
    tell("a snapshot takes", snapshots.took);
    tell("I/O is held for a snapshot", snapshots.held);
    tell("a plain file beside is synced, renamed, and its directory synced", replaced);
    tell("I/O is held for an expansion", expansions.held);
    figures.push({ what: "I/O is held for the purge", value: purge, unit: "ms" });
    return figures;
  } finally {
    await volume.stop();
  }
}
