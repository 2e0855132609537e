/**
 * How fast data may be copied beside the volume's users: such that 99 of 100 of their operations take at most twice as long
 * as without copying. Pure: given what was measured in one period, it says what holds in the next.
 *
 *   full --operations--> listen --enough of them--> paced --none for a while--> full      paced --after a time--> listen
 *
 * Nothing is copied while it listens to how long operations take when they are alone.
 */
import {
  COPY_PACE_GROWTH,
  COPY_PACE_IDLE_GROWTH_MAX,
  COPY_PACE_LATENCY_TIMES_MAX,
  COPY_PACE_LISTEN_AGAIN_PERIODS,
  COPY_PACE_LISTEN_PERIODS_MAX,
  COPY_PACE_OPERATIONS_ENOUGH,
  COPY_PACE_OPERATIONS_FEW,
  COPY_PACE_QUIET_PERIODS,
  COPY_PACE_SHRINKAGE,
  COPY_RATE_MIN,
} from "./limits.js";

/** Operations by how long they took: count by the bound in microseconds that they stayed below. */
export type Latencies = ReadonlyMap<number, number>;

export interface Measured {
  /** of the volume's users, in one period */
  latencies: Latencies;
  /** copied per second in that period */
  bytesPerSecond: number;
}

export type CopyPace =
  | { mode: "full" }
  /** `bytesPerSecond`: with which it goes on afterwards; `idleUs`: what was heard the last time, or infinite */
  | { mode: "listen"; periods: number; heard: Latencies; bytesPerSecond: number; idleUs: number }
  | {
      mode: "paced";
      bytesPerSecond: number;
      /** microseconds below which 99 of 100 operations stay when they are alone */
      idleUs: number;
      /** since the rate was changed */
      heard: Latencies;
      /** since it listened; of those the last ones in which nobody used the volume */
      periods: number;
      quietPeriods: number;
    };

export function nextPace(pace: CopyPace, { latencies, bytesPerSecond }: Measured): CopyPace {
  const operations = countOf(latencies);
  switch (pace.mode) {
    case "full":
      if (operations < COPY_PACE_OPERATIONS_FEW) return pace;
      return listen(Math.max(COPY_RATE_MIN, bytesPerSecond * COPY_PACE_SHRINKAGE), Infinity);
    case "listen": {
      const periods = pace.periods + 1;
      // In the first one, what was being copied came to its end.
      const heard = pace.periods === 0 ? NOTHING : sumOf(pace.heard, latencies);
      const count = countOf(heard);
      if (count < COPY_PACE_OPERATIONS_ENOUGH && periods < COPY_PACE_LISTEN_PERIODS_MAX)
        return { ...pace, periods, heard };
      if (count < COPY_PACE_OPERATIONS_FEW) return { mode: "full" };
      // A few operations that took long by chance would allow too much for long.
      const idleUs = Math.min(percentile99(heard), pace.idleUs * COPY_PACE_IDLE_GROWTH_MAX);
      const rest = { idleUs, heard: NOTHING, periods: 0, quietPeriods: 0 };
      return { mode: "paced", bytesPerSecond: pace.bytesPerSecond, ...rest };
    }
    case "paced": {
      const periods = pace.periods + 1;
      const quietPeriods = operations < COPY_PACE_OPERATIONS_FEW ? pace.quietPeriods + 1 : 0;
      if (quietPeriods >= COPY_PACE_QUIET_PERIODS) return { mode: "full" };
      if (periods >= COPY_PACE_LISTEN_AGAIN_PERIODS) return listen(pace.bytesPerSecond, pace.idleUs);
      const heard = sumOf(pace.heard, latencies);
      const next = { ...pace, periods, quietPeriods, heard };
      if (countOf(heard) < COPY_PACE_OPERATIONS_ENOUGH) return next;
      const tooSlow = percentile99(heard) > pace.idleUs * COPY_PACE_LATENCY_TIMES_MAX;
      // A rate that is not made use of says nothing about a higher one, and to lower it has no effect.
      const rate = tooSlow
        ? Math.min(pace.bytesPerSecond, bytesPerSecond) * COPY_PACE_SHRINKAGE
        : Math.min(pace.bytesPerSecond * COPY_PACE_GROWTH, Math.max(pace.bytesPerSecond, 2 * bytesPerSecond));
      return { ...next, heard: NOTHING, bytesPerSecond: Math.max(COPY_RATE_MIN, rate) };
    }
  }
}

const NOTHING: Latencies = new Map();

function listen(bytesPerSecond: number, idleUs: number): CopyPace {
  return { mode: "listen", periods: 0, heard: NOTHING, bytesPerSecond, idleUs };
}

/** @returns microseconds below which at least 99 of 100 stayed; 0 when there are none */
export function percentile99(latencies: Latencies): number {
  const bounds = [...latencies.keys()].sort((a, b) => a - b);
  let above = countOf(latencies);
  const allowed = above / 100;
  for (const bound of bounds) {
    above -= latencies.get(bound) ?? 0;
    if (above <= allowed) return bound;
  }
  return 0;
}

function countOf(latencies: Latencies): number {
  let count = 0;
  for (const one of latencies.values()) count += one;
  return count;
}

export function sumOf(a: Latencies, b: Latencies): Latencies {
  const sum = new Map(a);
  for (const [bound, count] of b) sum.set(bound, (sum.get(bound) ?? 0) + count);
  return sum;
}

/** What was added since. @param counts `[below, count, below, count, ...]` of all, as the native Volume tells them */
export function latenciesSince(before: readonly number[], counts: readonly number[]): Latencies {
  const earlier = new Map<number, number>();
  for (let i = 0; i < before.length; i += 2) earlier.set(before[i] ?? 0, before[i + 1] ?? 0);
  const since = new Map<number, number>();
  for (let i = 0; i < counts.length; i += 2) {
    const bound = counts[i] ?? 0;
    const added = (counts[i + 1] ?? 0) - (earlier.get(bound) ?? 0);
    if (added > 0) since.set(bound, added);
  }
  return since;
}
