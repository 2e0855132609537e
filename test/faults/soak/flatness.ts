/** Does a process use more and more? Of each life the first quarter of the samples is left out; of the rest the first and the last
 * third are windows. A median of the last that is above what `GROWTH_MAX` allows for the first's is growth. Short lives tell
 * nothing. */
import { GROWTH_MAX, WARM_UP, WINDOW_MIN } from "./limits.js";
import type { Life, Sample } from "./samples.js";

type Measure = keyof typeof GROWTH_MAX;

export interface Flatness {
  role: string;
  pid: number;
  samples: number;
  /** medians of the first and the last window */
  medians: Record<Measure, { early: number; late: number }>;
  grows: Measure[];
}

/** @returns null when it lived too short */
export function flatnessOf({ role, pid, samples }: Life): Flatness | null {
  const warm = samples.slice(Math.ceil(samples.length * WARM_UP));
  const size = Math.floor(warm.length / 3);
  if (size < WINDOW_MIN) return null;
  const [early, late] = [warm.slice(0, size), warm.slice(-size)];
  const grows: Measure[] = [];
  const mediansOf = (measure: Measure): { early: number; late: number } => {
    const medians = { early: median(early, measure), late: median(late, measure) };
    const { factor, more } = GROWTH_MAX[measure];
    if (medians.late > medians.early * factor + more) grows.push(measure);
    return medians;
  };
  const medians = {
    uss: mediansOf("uss"),
    threads: mediansOf("threads"),
    descriptors: mediansOf("descriptors"),
  };
  return { role, pid, samples: samples.length, medians, grows };
}

function median(samples: readonly Sample[], measure: Measure): number {
  const sorted = samples.map((sample) => sample[measure]).sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? NaN;
}
