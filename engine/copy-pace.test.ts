import t from "tap";
import { latenciesSince, nextPace, percentile99, type CopyPace, type Latencies } from "./copy-pace.js";
import { COPY_PACE_LISTEN_PERIODS_MAX, COPY_RATE_MIN } from "./limits.js";
import { numbers } from "../test/tools/random.js";

const MIB = 1 << 20;
const IDLE_US = 300;

/** A disk and a link that can copy so much, and delay the users' operations the more the more is copied. */
interface Machine {
  bytesPerSecondMax: number;
  /** at which operations take twice as long */
  bytesPerSecondTwice: number;
}

/** Durations spread around a mean that depends on what is copied; every hundredth is an outlier. */
function operations(count: number, times: number, random: (below: number) => number): Latencies {
  const latencies = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const us = IDLE_US * times * (0.5 + random(100) / 200) * (random(400) === 0 ? 3 : 1);
    const bound = 2 ** (Math.ceil(Math.log2(us) * 4) / 4);
    latencies.set(bound, (latencies.get(bound) ?? 0) + 1);
  }
  return latencies;
}

/** @param users operations per period @returns the paces, and what was copied per second with each */
function play(machine: Machine, users: (period: number) => number, periods: number, seed: number) {
  const random = numbers(seed);
  const past: { pace: CopyPace; copied: number; times: number }[] = [];
  let pace: CopyPace = { mode: "full" };
  for (let period = 0; period < periods; period++) {
    const allowed: number =
      pace.mode === "full" ? Infinity : pace.mode === "listen" ? 0 : pace.bytesPerSecond;
    const copied = Math.min(allowed, machine.bytesPerSecondMax);
    const times = 1 + copied / machine.bytesPerSecondTwice;
    past.push({ pace, copied, times });
    pace = nextPace(pace, { latencies: operations(users(period), times, random), bytesPerSecond: copied });
  }
  return past;
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const SEEDS = [1, 2, 3, 4, 5];

t.test("copies go at full speed while nobody uses the volume", async (t) => {
  const past = play({ bytesPerSecondMax: 1_000 * MIB, bytesPerSecondTwice: 50 * MIB }, () => 0, 200, 1);
  t.ok(past.every(({ pace }) => pace.mode === "full"));
});

for (const seed of SEEDS) {
  t.test(
    `seed ${seed}: operations take at most twice as long, and copies use most of what that allows`,
    async (t) => {
      const machine = { bytesPerSecondMax: 1_000 * MIB, bytesPerSecondTwice: 100 * MIB };
      const past = play(machine, () => 400, 400, seed);
      const settled = past.slice(60);
      const slow = settled.filter(({ times }) => times > 2);
      t.ok(slow.length < settled.length / 100, `${slow.length} periods of ${settled.length}`);
      t.ok(mean(settled.map(({ copied }) => copied)) > 25 * MIB, "copied per second");
    },
  );
}

t.test("where copies disturb nobody they become as fast as they can be", async (t) => {
  const machine = { bytesPerSecondMax: 400 * MIB, bytesPerSecondTwice: 100_000 * MIB };
  const past = play(machine, () => 400, 200, 1).slice(40);
  t.ok(mean(past.map(({ copied }) => copied)) > 0.85 * machine.bytesPerSecondMax);
});

t.test("the rate never falls below its least, however slow operations are", async (t) => {
  const past = play({ bytesPerSecondMax: 100 * MIB, bytesPerSecondTwice: 1 }, () => 400, 400, 1);
  const rates = past.flatMap(({ pace }) => (pace.mode === "paced" ? [pace.bytesPerSecond] : []));
  t.ok(rates.every((rate) => rate >= COPY_RATE_MIN));
  t.ok(rates.some((rate) => rate === COPY_RATE_MIN));
  const listening = past.filter(({ pace }) => pace.mode === "listen");
  t.ok(listening.length < past.length / 10, "and copies stand still for a small part of the time only");
});

t.test("full speed comes back when the volume is not used any more", async (t) => {
  const machine = { bytesPerSecondMax: 500 * MIB, bytesPerSecondTwice: 50 * MIB };
  const past = play(machine, (period) => (period < 50 ? 400 : 0), 80, 1);
  t.not(past[49]?.pace.mode, "full");
  t.ok(past.slice(60).every(({ pace }) => pace.mode === "full"));
});

t.test("a volume that is hardly used is not listened to for ever", async (t) => {
  const past = play({ bytesPerSecondMax: 500 * MIB, bytesPerSecondTwice: 50 * MIB }, () => 4, 200, 1);
  let run = 0;
  for (const { pace } of past) {
    run = pace.mode === "listen" ? run + 1 : 0;
    t.ok(run <= COPY_PACE_LISTEN_PERIODS_MAX);
  }
});

t.test("of operations, 99 in 100 are below their percentile", async (t) => {
  t.equal(percentile99(new Map()), 0);
  t.equal(percentile99(new Map([[8, 1]])), 8);
  t.equal(percentile99(new Map([[100, 1], [8, 99]])), 8); // prettier-ignore
  t.equal(percentile99(new Map([[100, 2], [8, 98]])), 100); // prettier-ignore
});

t.test("what was added since is told by the difference of counts", async (t) => {
  t.strictSame([...latenciesSince([8, 2, 16, 1], [4, 1, 8, 2, 16, 4])], [[4, 1], [16, 3]]); // prettier-ignore
});
