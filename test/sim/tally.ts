/** What seeds have come to, of one process or of all. */
import type { Outcome } from "./play.js";

const COUNTS = [
  "simulatedMs",
  "operations",
  "acknowledged",
  "events",
  "emptied",
  "restored",
  "salvaged",
] as const;

export type Tally = Pick<Outcome, (typeof COUNTS)[number]> & {
  seeds: number;
  failed: number;
  /** seconds of cores */
  cpuSeconds: number;
};

export function nothing(): Tally {
  const counts = {
    simulatedMs: 0,
    operations: 0,
    acknowledged: 0,
    events: 0,
    emptied: 0,
    restored: 0,
    salvaged: 0,
  };
  return { seeds: 0, failed: 0, cpuSeconds: 0, ...counts };
}

/** @param cpuSeconds since the last one */
export function tallyOf(outcome: Outcome, cpuSeconds: number): Tally {
  const tally = { ...nothing(), seeds: 1, failed: outcome.failure === null ? 0 : 1, cpuSeconds };
  for (const count of COUNTS) tally[count] = outcome[count];
  return tally;
}

export function add(to: Tally, { seeds, failed, cpuSeconds, ...counts }: Tally): void {
  to.seeds += seeds;
  to.failed += failed;
  to.cpuSeconds += cpuSeconds;
  for (const count of COUNTS) to[count] += counts[count];
}

/** @param seconds that have passed */
export function inWords(tally: Tally, first: number, seconds: number): string {
  const { seeds, failed, operations, acknowledged, events, emptied, restored, salvaged } = tally;
  const simulated = tally.simulatedMs / 1000;
  const [speed, ofCores] = [seconds, tally.cpuSeconds].map((real) => Math.round(simulated / real));
  return (
    `${seeds} seeds from ${first}, ${failed} failed; ${operations} operations, ${acknowledged} acknowledged, ` +
    `${events} events, ${emptied} directories emptied, ${restored} put back, ${salvaged} times salvaged; ` +
    `${Math.round(simulated)} s simulated in ${seconds.toFixed(1)} s: ${speed} times real time, ${ofCores} times that of cores`
  );
}
