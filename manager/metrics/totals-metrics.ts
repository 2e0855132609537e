/**
 * What volumes have done since they were attached, and how long it took: engines that run are asked when somebody asks. One that
 * does not answer in time has no series this time, and one that begins anew has counters that do.
 */
import { Counter, type Metric, type MetricValueWithName, type Registry } from "prom-client";
import type { EngineOperations, EngineTotals } from "../operations.js";
import type { Store } from "../store/store.js";
import { VOLUME_LABELS, volumeLabels } from "./object-metrics.js";

const COUNTERS: readonly (readonly [value: Exclude<keyof EngineTotals, "latencies">, name: string, help: string])[] = [
  ["rebuildBytes", "rebuild_bytes", "Bytes of files and blocks that new replicas were given."],
  ["resyncBytes", "resync_bytes", "Bytes of files and blocks that replicas that came back were given."],
  ["flushes", "flushes", "Flushes that were answered."],
  ["replicaFailures", "replica_failures", "Replicas that failed, and the volume went on without them."],
  ["holds", "holds", "Times that operations waited for a change that all copies make at once."],
  ["heldMicros", "held_microseconds", "Time that they were kept waiting for such changes."],
  ["crcErrors", "crc_errors", "Data that did not have their checksum on the way to a replica."],
]; // prettier-ignore

const LATENCY = "aurochs_volume_latency_seconds";

/** us: each twice the one before, where ranges that engines tell end as well. In their last one is all that took longer than 8 s. */
const LATENCY_ENDS = Array.from({ length: 17 }, (_, doublings) => 64 << doublings);

type Told = readonly (readonly [labels: Record<string, string>, totals: EngineTotals])[];

export function registerTotalsMetrics(registry: Registry, store: Store, engines: EngineOperations): void {
  let asking: Promise<Told> | null = null;
  const ask = () => {
    asking ??= askAll(store, engines).finally(() => (asking = null));
    return asking;
  };
  for (const [value, name, help] of COUNTERS)
    new Counter({
      name: `aurochs_volume_${name}_total`,
      help,
      labelNames: VOLUME_LABELS,
      registers: [registry],
      async collect() {
        const told = await ask();
        this.reset();
        for (const [labels, totals] of told) this.inc(labels, totals[value]);
      },
    });
  // A Histogram of prom-client's counts by itself; this is all that a registry asks of one.
  const histogram = {
    ...{ name: LATENCY, type: "histogram", help: "Time that operations of a volume took." },
    get: async () => ({ ...histogram, values: (await ask()).flatMap(latencySeries) }),
  };
  registry.registerMetric(histogram as unknown as Metric);
}

async function askAll(store: Store, operations: EngineOperations): Promise<Told> {
  const volumes = new Map((await store.list("Volume")).map((one) => [one.metadata.name, one]));
  const engines = (await store.list("Engine")).filter(({ status }) => status.currentState === "running");
  const told = engines.map(async (engine): Promise<Told> => {
    const volume = volumes.get(engine.spec.volumeName);
    const totals = await operations.totals(engine).catch(() => null);
    if (volume === undefined || totals === null) return [];
    // While a volume moves it has two engines, on two nodes.
    return [[{ ...volumeLabels(volume), node: engine.spec.nodeID }, totals]];
  });
  return (await Promise.all(told)).flat();
}

function latencySeries([of, { latencies }]: Told[number]): MetricValueWithName<string>[] {
  return latencies.flatMap(({ operation, sumMicros, belowMicros, counts }) => {
    const labels = { ...of, operation };
    const countBelow = (end: number) =>
      counts.reduce((sum, count, index) => sum + ((belowMicros[index] ?? Infinity) <= end ? count : 0), 0);
    const bucket = (le: number | string, value: number) => ({ metricName: `${LATENCY}_bucket`, labels: { le, ...labels }, value }); // prettier-ignore
    const count = countBelow(Infinity);
    return [
      ...LATENCY_ENDS.map((end) => bucket(end / 1e6, countBelow(end))),
      bucket("+Inf", count),
      { metricName: `${LATENCY}_sum`, labels, value: sumMicros / 1e6 },
      { metricName: `${LATENCY}_count`, labels, value: count },
    ];
  });
}
