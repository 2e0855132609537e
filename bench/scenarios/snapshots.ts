/** Snapshots are taken under load: how long do writes wait, with none below and with a hundred? */
import { setTimeout as sleep } from "node:timers/promises";
import { load } from "../load.js";
import { PATTERNS } from "../patterns.js";
import type { Context, Figure, Scenario } from "./scenario.js";
import { LonghornVolume } from "../setups/longhorn-volume.js";

const GIB = 2 ** 30;
const COUNT = 100;
const PAUSE_MS = 100;

export const snapshots: Scenario = {
  name: "snapshots",
  about: "100 snapshots of 50 GiB, ten a second, under random writes at depth 4",
  run,
};

async function run({ directory, quick, progress, signal }: Context): Promise<Figure[]> {
  const [size, count] = quick ? [GIB / 4, 10] : [50 * GIB, COUNT];
  const pattern = PATTERNS.find(({ name }) => name === "randwrite-4k-d1");
  if (pattern === undefined) throw new Error("there is no pattern of random writes");
  const volume = await LonghornVolume.start(directory, size, signal);
  try {
    const seconds = (count * PAUSE_MS) / 1000 + 1;
    const request = { pattern: { ...pattern, depth: 4 }, range: GIB / 4, warmup: 1, seed: 1, processes: [] };
    progress("writing without snapshots");
    const before = await load(volume.access, { ...request, seconds }, signal);
    progress(`writing while ${count} snapshots are taken`);
    const calls: number[] = [];
    const during = load(volume.access, { ...request, seconds, seed: 2 }, signal);
    await sleep(1000);
    for (let taken = 0; taken < count; taken++) {
      const begin = performance.now();
      await volume.snapshot(`s${taken}`);
      calls.push(performance.now() - begin);
      await sleep(Math.max(0, PAUSE_MS - (performance.now() - begin)));
    }
    const under = await during;
    calls.sort((a, b) => a - b);
    return [
      { what: "longest write without snapshots", value: before.latencyUs.max / 1000, unit: "ms" },
      { what: "longest write while snapshots are taken", value: under.latencyUs.max / 1000, unit: "ms" },
      { what: "99.9 % of writes without", value: before.latencyUs.p999 / 1000, unit: "ms" },
      { what: "99.9 % of writes with", value: under.latencyUs.p999 / 1000, unit: "ms" },
      { what: "a snapshot takes, median", value: calls[count >> 1] ?? 0, unit: "ms" },
      { what: "a snapshot takes, longest", value: calls.at(-1) ?? 0, unit: "ms" },
    ];
  } finally {
    await volume.stop();
  }
}
