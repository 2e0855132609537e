/** What a volume has done since it was attached, as EngineWatch.Totals tells it. */
import type { EngineTotals } from "../../proto/engine-watch.js";
import type { AttachedVolume } from "../attached-volume.js";

export function totalsOf({ volume, replicas }: AttachedVolume): EngineTotals {
  const { latency, flushes, slots } = volume.stats();
  const { rebuildBytes, resyncBytes, failures, holds, heldMicros } = replicas.counts();
  return {
    rebuildBytes,
    resyncBytes,
    flushes,
    holds,
    heldMicros,
    replicaFailures: failures,
    crcErrors: slots.reduce((sum, slot) => sum + slot.crcErrors, 0),
    latencies: Object.entries(latency).map(([operation, { counts, sumMicros }]) => ({
      ...{ operation, sumMicros },
      belowMicros: counts.filter((_, index) => index % 2 === 0),
      counts: counts.filter((_, index) => index % 2 === 1),
    })),
  };
}
