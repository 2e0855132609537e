/** Engines take over one from another under verified I/O: how long does an operation wait for it? */
import { setTimeout as sleep } from "node:timers/promises";
import { load } from "../load.js";
import { patternNamed } from "../patterns.js";
import { median } from "../statistics.js";
import type { Context, Figure, Scenario } from "./scenario.js";
import { BenchVolume } from "./volume.js";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** s that a load goes on for, into which one upgrade falls. */
const LOAD_SECONDS = 4;
const LOAD_QUICK_SECONDS = 2;

export const upgrade: Scenario = {
  name: "upgrade",
  about: "50 GiB, engines take over one from another, 100 times, under mixed, verified I/O at depth 32",
  run,
};

async function run({ directory, quick, progress, signal }: Context): Promise<Figure[]> {
  const [size, times, seconds] = quick ? [GIB, 2, LOAD_QUICK_SECONDS] : [50 * GIB, 100, LOAD_SECONDS];
  const pattern = patternNamed("mixed-4k-d32");
  const volume = new BenchVolume(directory, size, signal);
  const pauses: number[] = [];
  let [errors, verified] = [0, 0];
  try {
    await volume.addReplica();
    await volume.addReplica();
    await volume.startEngine();
    for (let time = 0; time < times; time++) {
      const request = { pattern, range: 32 * MIB, seconds, warmup: 0, seed: 1 + time, processes: [] };
      const running = load(volume.access, { ...request, verify: true, reconnect: true }, signal);
      const upgraded = sleep((seconds * 1000) / 3).then(() => volume.upgradeEngine());
      const [result] = await Promise.all([running, upgraded]);
      pauses.push(result.latencyUs.max / 1000);
      errors += result.errors;
      verified += result.verifiedBytes;
      if ((time + 1) % 10 === 0) progress(`${time + 1} of ${times}`);
    }
  } finally {
    await volume.stop();
  }
  pauses.sort((a, b) => a - b);
  return [
    { what: "longest operation in an upgrade, median", value: median(pauses), unit: "ms" },
    { what: "of 99 % of the upgrades", value: pauses[Math.ceil(times * 0.99) - 1] ?? 0, unit: "ms" },
    { what: "of all", value: pauses.at(-1) ?? 0, unit: "ms" },
    { what: "errors", value: errors, unit: "" },
    { what: "verified", value: verified / MIB, unit: "MiB" },
  ];
}
