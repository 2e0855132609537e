/** Numbers over rounds. */

export interface Summary {
  median: number;
  min: number;
  max: number;
}

/**
 * @param values at least one
 * @returns the middle value, or the mean of the two middle ones
 */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError("the median of no values");
  return (lower + upper) / 2;
}

/** @param values at least one */
export function summarize(values: readonly number[]): Summary {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * Compares round by round, because what disturbs a machine disturbs neighbours in time alike.
 * @param values of each round; the same number as `peer` has
 * @param peer all above 0
 */
export function summarizeRatios(values: readonly number[], peer: readonly number[]): Summary {
  if (values.length !== peer.length) throw new RangeError("ratios need the same rounds on both sides");
  return summarize(
    values.map((value, round) => {
      const other = peer[round];
      if (other === undefined || other <= 0) throw new RangeError("a ratio to nothing");
      return value / other;
    }),
  );
}
