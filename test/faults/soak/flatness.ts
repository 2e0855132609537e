/** Does a process use more and more? Of each life the first quarter of the samples is left out; of the rest the first and the last
 * third are windows. What a process has in its quieter times counts, the lower quartile: a connection of each resync is no leak, nor are the
 * buffers of a burst. A quartile of the last window that is above what `GROWTH_MAX` allows for the first's is growth. Lives that are too short
 * for a measure tell nothing of it. */
import { GROWTH_MAX, WARM_UP, WINDOW_MIN } from "./limits.js";
import type { Life, Sample } from "./samples.js";

type Measure = keyof typeof GROWTH_MAX;

export interface Flatness {
  role: string;
  pid: number;
  samples: number;
  /** of the first and the last window; null: it lived too short */
  quartiles: Record<Measure, Quartiles | null>;
  grows: Measure[];
}

interface Quartiles {
  early: number;
  late: number;
}

/** @returns null when it lived too short for anything */
export function flatnessOf({ role, pid, samples }: Life): Flatness | null {
  const warm = samples.slice(Math.ceil(samples.length * WARM_UP));
  const size = Math.floor(warm.length / 3);
  const [early, late] = [warm.slice(0, size), warm.slice(-size)];
  const grows: Measure[] = [];
  const quartilesOf = (measure: Measure): Quartiles | null => {
    if (size < WINDOW_MIN[measure]) return null;
    const quartiles = { early: lowerQuartile(early, measure), late: lowerQuartile(late, measure) };
    const { factor, more } = GROWTH_MAX[measure];
    if (quartiles.late > quartiles.early * factor + more) grows.push(measure);
    return quartiles;
  };
  const quartiles = {
    uss: quartilesOf("uss"),
    threads: quartilesOf("threads"),
    descriptors: quartilesOf("descriptors"),
  };
  const isTold = Object.values(quartiles).some((told) => told !== null);
  return isTold ? { role, pid, samples: samples.length, quartiles, grows } : null;
}

function lowerQuartile(samples: readonly Sample[], measure: Measure): number {
  const sorted = samples.map((sample) => sample[measure]).sort((a, b) => a - b);
  return sorted[sorted.length >> 2] ?? NaN;
}
