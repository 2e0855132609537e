/** Is the history of one register linearizable? Exact where every write has a value of its own (Gibbons and Korach, "Testing
 * shared memories", 1997): all operations on one value have to stand together, so each value has a zone, from the
 * first moment at which one of them had ended to the last at which one began. */

export interface RegisterWrite {
  value: number;
  start: number;
  /** Infinity: it may still happen */
  end: number;
  /** false: nobody knows whether it happened. It counts if somebody has read it. */
  certain: boolean;
}

export interface RegisterRead {
  value: number;
  start: number;
  end: number;
}

/** What an unmap writes. It is the one value that may be written many times; for reads of it the check is sound (no legal
 * history is refused), not complete. */
export const ZERO = 0;

interface Cluster {
  value: number;
  write: RegisterWrite | undefined;
  minEnd: number;
  maxStart: number;
  isRead: boolean;
}

/** @param writes with one at -Infinity for what the register holds in the beginning
 * @returns what is wrong, in words; null when there is an order in which every read gives what was written last before it */
export function registerViolation(
  writes: readonly RegisterWrite[],
  reads: readonly RegisterRead[],
): string | null {
  const clusters = new Map<number, Cluster>();
  for (const write of writes) {
    if (write.value === ZERO) continue;
    const { value, start, end } = write;
    clusters.set(value, { value, write, minEnd: end, maxStart: start, isRead: false });
  }
  for (const read of reads) {
    if (read.value === ZERO) continue;
    const cluster = clusters.get(read.value);
    if (cluster?.write === undefined) return `version ${read.value} was read, and never written`;
    if (read.end < cluster.write.start) return `version ${read.value} was read before it was written`;
    cluster.minEnd = Math.min(cluster.minEnd, read.end);
    cluster.maxStart = Math.max(cluster.maxStart, read.start);
    cluster.isRead = true;
  }
  const zones = [...clusters.values()].filter(({ write, isRead }) => isRead || write?.certain !== false);
  // Zeros that were written for certain stand for themselves: between two reads of one value there was none.
  for (const { value, start, end, certain } of writes) {
    if (value === ZERO && certain)
      zones.push({ value, write: undefined, minEnd: end, maxStart: start, isRead: false });
  }
  return zoneViolation(zones) ?? zeroViolation(zones, writes, reads);
}

/** Two values cannot be in order when each has an operation that ended before one of the other began. */
function zoneViolation(zones: readonly Cluster[]): string | null {
  const forward = zones.filter(({ minEnd, maxStart }) => minEnd < maxStart);
  forward.sort((a, b) => a.minEnd - b.minEnd);
  for (const [index, zone] of forward.entries()) {
    const next = forward[index + 1];
    if (next !== undefined && next.minEnd < zone.maxStart)
      return `versions ${zone.value} and ${next.value} were each read after the other`;
  }
  for (const zone of zones) {
    if (zone.minEnd < zone.maxStart) continue;
    // Forward zones do not overlap: of those that begin before this one, the last one reaches farthest.
    const around = lastBefore(forward, zone.maxStart);
    if (around !== null && zone.minEnd < around.maxStart)
      return `version ${around.value} was read although version ${zone.value} was written after it`;
  }
  return null;
}

/** The last zone that begins before `time`. */
function lastBefore(zones: readonly Cluster[], time: number): Cluster | null {
  let low = 0;
  for (let high = zones.length; low < high;) {
    const middle = (low + high) >> 1;
    if ((zones[middle]?.minEnd ?? Infinity) < time) low = middle + 1;
    else high = middle;
  }
  return zones[low - 1] ?? null;
}

/** A read of zeros needs an unmap, or the beginning, that nothing came after for certain. */
function zeroViolation(
  zones: readonly Cluster[],
  writes: readonly RegisterWrite[],
  reads: readonly RegisterRead[],
): string | null {
  const zeros = writes.filter(({ value }) => value === ZERO);
  const others = zones.filter(({ value }) => value !== ZERO);
  for (const read of reads) {
    if (read.value !== ZERO) continue;
    const possible = zeros.some(
      (zero) =>
        zero.start <= read.end &&
        // Some operation on the other value began after the zeros were there, and one ended before the read.
        !others.some(
          ({ write, minEnd }) => write !== undefined && zero.end < write.start && minEnd < read.start,
        ),
    );
    if (!possible) return `zeros were read although other data were written after they were there`;
  }
  return null;
}
