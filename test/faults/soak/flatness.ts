/** Does a process use more and more? Of each life the first quarter of the samples is left out; of the rest the first and the last
 * third are windows. A median of the last that is above what `GROWTH_MAX` allows for the first's is growth. Lives that are too short for a
 * measure tell nothing of it. */
import { GROWTH_MAX, WARM_UP, WINDOW_MIN } from "./limits.js";
import type { Life, Sample } from "./samples.js";

type Measure = keyof typeof GROWTH_MAX;

export interface Flatness {
  role: string;
  pid: number;
  samples: number;
  /** of the first and the last window; null: it lived too short */
  medians: Record<Measure, Medians | null>;
  grows: Measure[];
}

interface Medians {
  early: number;
  late: number;
}

/** @returns null when it lived too short for anything */
export function flatnessOf({ role, pid, samples }: Life): Flatness | null {
  const warm = samples.slice(Math.ceil(samples.length * WARM_UP));
  const size = Math.floor(warm.length / 3);
  const [early, late] = [warm.slice(0, size), warm.slice(-size)];
  const grows: Measure[] = [];
  const mediansOf = (measure: Measure): Medians | null => {
    if (size < WINDOW_MIN[measure]) return null;
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
  const isTold = Object.values(medians).some((told) => told !== null);
  return isTold ? { role, pid, samples: samples.length, medians, grows } : null;
}

function median(samples: readonly Sample[], measure: Measure): number {
  const sorted = samples.map((sample) => sample[measure]).sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? NaN;
}
