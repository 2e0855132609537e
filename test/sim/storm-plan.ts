/** Plans for what hardly ever meets by chance: snapshots at the very moment of writes and power cuts, or while a replica is made equal. */
import { DISK_OPS } from "./disk.js";
import type { Plan, Step } from "./plan.js";
import { Random } from "./random.js";
import { SECTOR_BYTES } from "./sectors.js";
import { VOLUME_BYTES } from "./world.js";

const STORM = 0x0f0f0f0f;
const BEGIN_MS = 1_000;
/** of all rounds */
const STORM_MS = 48_000;
const SECTORS = VOLUME_BYTES / SECTOR_BYTES;
const HALF = SECTORS / 2;

/** Writes without a pause, snapshots among them, and soon after each a machine loses its power. */
export function powerStormOf(seed: number): Plan {
  return storm(seed, 4, (at, random) => {
    const victim = random.below(3);
    const cutAt = at + random.between(0, 120);
    const cut: Step =
      victim === 2
        ? { at: cutAt, do: "cutAll", ms: 1_000 }
        : { at: cutAt, do: "cutPower", machine: victim, ms: 1_000, amount: 0 };
    return [...writes(at - 100, 200, random), { at, do: "snapshot" }, cut];
  });
}

/** A replica that was away is made equal on a slow network, and a snapshot is taken meanwhile. */
export function returnStormOf(seed: number): Plan {
  return storm(seed, 4, (at, random) => {
    const machine = random.below(2);
    const back = at + 6_500;
    return [
      { at, do: "killReplica", machine, ms: 6_500, amount: 0 },
      { at: back - 100, do: "slowNetwork", machine, ms: 4_000, amount: 100 },
      ...writes(at + 100, 200, random),
      // One that was taken before it is looked at again would be one that it missed.
      { at: back + random.between(0, 3_000), do: "snapshot" },
    ];
  });
}

/** A volume is reverted to its head's own parent at the moment at which a copy that was left out is taken back: its head holds what the
 * others' held before. */
export function revertStormOf(seed: number): Plan {
  return storm(seed, 2, (at, random) => {
    const machine = random.below(2);
    const lost = at + 11_500;
    const back = lost + 6_000;
    return [
      { at, do: "snapshot" },
      ...writes(at + 100, 30, random, [0, HALF]),
      // By then all of it is durable, and whoever writes to another region writes the map without it.
      ...writes(lost - 200, 1, random, [HALF, SECTORS]),
      { at: lost, do: "killReplica", machine, ms: back - lost, amount: 0 },
      ...writes(lost + 100, 1, random, [HALF, SECTORS]),
      { at: back - 50, do: "slowDisk", machine, ms: 1_500, amount: random.pick([1, 10, 100]) },
      { at: back + random.between(0, 900), do: "revert", index: -1 },
    ];
  });
}

/** A disk fails at some kinds of operation, now and then, while all that its replica may be in happens to it: daemons die and come back,
 * machines lose their power, snapshots are taken, removed and merged, and replicas are made anew. */
export function diskStormOf(seed: number): Plan {
  return storm(seed, 4, (at, random) => {
    const machine = random.below(2);
    const of = Array.from({ length: 1 + random.below(2) }, () => random.pick(DISK_OPS));
    const ms = random.between(1_000, 9_000);
    const whileIt = () => at + random.between(0, ms);
    const steps: Step[] = [
      ...writes(at - 200, 100, random),
      { at, do: "failDisk", machine, ms, amount: random.pick([0.02, 0.1, 0.3]), of },
      ...writes(at + random.between(0, 500), 100, random),
    ];
    for (let i = 2 + random.below(5); i > 0; i--) {
      const one = random.chance(0.8) ? machine : 1 - machine;
      steps.push(
        random.pick<Step>([
          { at: whileIt(), do: "killReplica", machine: one, ms: random.between(50, 1_500), amount: 0 },
          { at: whileIt(), do: "killReplica", machine: one, ms: random.between(50, 1_500), amount: 0 },
          { at: whileIt(), do: "cutPower", machine: one, ms: random.between(50, 1_500), amount: 0 },
          { at: whileIt(), do: "killEngine", ms: random.between(50, 1_500) },
          { at: whileIt(), do: "snapshot" },
          { at: whileIt(), do: "removeSnapshot", index: 0 },
          { at: whileIt(), do: "purge" },
          { at: whileIt(), do: "removeReplica", machine },
          { at: whileIt(), do: "addReplica", machine, empty: random.chance(0.5) },
          { at: whileIt(), do: "flush", ms: 0 },
        ]),
      );
    }
    // The other one loses its power at the very moment at which this one finds that it cannot sync.
    if (random.chance(0.6)) {
      const moment = whileIt();
      const cutAt = moment + random.between(0, 12);
      steps.push(
        ...writes(moment - 60, 50, random),
        {
          at: moment - 2,
          do: "failDisk",
          machine,
          ms,
          amount: 1,
          of: random.chance(0.7) ? ["sync"] : ["sync", "trim"],
        },
        { at: moment, do: "flush", ms: 0 },
        { at: cutAt, do: "cutPower", machine: 1 - machine, ms: random.between(50, 1_500), amount: 0 },
        { at: cutAt + random.between(0, 2_000), do: "killReplica", machine, ms: 50, amount: 0 },
      );
    }
    if (random.chance(0.3)) steps.push({ at: at + ms + random.between(0, 1_000), do: "cutAll", ms: 500 });
    return steps;
  });
}

/** @param rounds how many, one after the other */
function storm(seed: number, rounds: number, round: (at: number, random: Random) => Step[]): Plan {
  const random = new Random(seed ^ STORM);
  const begins = Array.from({ length: rounds }, (_, i) => BEGIN_MS + (i * STORM_MS) / rounds);
  const steps = begins.flatMap((at) => round(at + random.between(0, 1_000), random));
  steps.sort((a, b) => a.at - b.at);
  return { seed, replicas: 2, engineAlone: true, managed: true, steps };
}

function writes(from: number, count: number, random: Random, [first, end] = [0, SECTORS]): Step[] {
  return Array.from({ length: count }, (_, i) => ({
    ...{
      at: from + i,
      do: "write" as const,
      sector: first + random.below(end - first - 16),
      count: 1 + random.below(16),
    },
    ...{ fua: false, former: false },
  }));
}
