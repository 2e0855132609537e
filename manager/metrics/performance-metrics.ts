/** How fast volumes are now: each attached one's engine is asked when somebody asks. Names and labels are Longhorn's. */
import { Gauge, type Registry } from "prom-client";
import type { EngineOperations, VolumePerformance } from "../operations.js";
import type { Store } from "../store/store.js";
import { volumeLabels } from "./object-metrics.js";

const METRICS: readonly (readonly [name: string, value: keyof VolumePerformance, help: string])[] = [
  ["read_throughput", "readThroughput", "Bytes a second that are read."],
  ["write_throughput", "writeThroughput", "Bytes a second that are written."],
  ["read_iops", "readIops", "Reads a second."],
  ["write_iops", "writeIops", "Writes a second."],
  ["read_latency", "readLatency", "Nanoseconds that a read takes."],
  ["write_latency", "writeLatency", "Nanoseconds that a write takes."],
];

const NOTHING: VolumePerformance = { readThroughput: 0, writeThroughput: 0, readIops: 0, writeIops: 0, readLatency: 0, writeLatency: 0 }; // prettier-ignore

type Measured = [labels: Record<string, string>, performance: VolumePerformance][];

export function registerPerformanceMetrics(
  registry: Registry,
  store: Store,
  engines: EngineOperations,
): void {
  let asking: Promise<Measured> | null = null;
  const ask = () => {
    asking ??= measure(store, engines).finally(() => (asking = null));
    return asking;
  };
  for (const [name, value, help] of METRICS)
    new Gauge({
      name: `longhorn_volume_${name}`,
      help,
      labelNames: ["node", "volume", "pvc", "pvc_namespace"],
      registers: [registry],
      async collect() {
        const measured = await ask();
        this.reset();
        for (const [labels, performance] of measured) this.set(labels, performance[value]);
      },
    });
}

/** A volume whose engine does not run has none; one whose engine does not answer does nothing. */
async function measure(store: Store, operations: EngineOperations): Promise<Measured> {
  const volumes = new Map((await store.list("Volume")).map((one) => [one.metadata.name, one]));
  const engines = (await store.list("Engine")).filter(({ status }) => status.currentState === "running");
  const measured = engines.map(async (engine): Promise<Measured> => {
    const volume = volumes.get(engine.spec.volumeName);
    if (volume === undefined) return [];
    return [[volumeLabels(volume), await operations.performance(engine).catch(() => NOTHING)]];
  });
  return (await Promise.all(measured)).flat();
}
