/** What Longhorn has no number for: requests to the API, and what engines have done since they began. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Totals of an engine process, since it began. */
export interface EngineTotals {
  /** copied to replicas that had nothing of use */
  rebuildBytes: number;
  /** copied to replicas that had missed some writes */
  resyncBytes: number;
  flushes: number;
  /** replicas that the engine went on without */
  replicaFailures: number;
  /** blocks whose checksum was wrong */
  crcErrors: number;
}

const COUNTERS: readonly (readonly [value: keyof EngineTotals, name: string, help: string])[] = [
  ["rebuildBytes", "aurochs_rebuild_bytes_total", "Bytes that were copied to new replicas of a volume."],
  [
    "resyncBytes",
    "aurochs_resync_bytes_total",
    "Bytes that were copied to replicas of a volume that came back.",
  ],
  ["flushes", "aurochs_flushes_total", "Flushes that a volume has answered."],
  ["replicaFailures", "aurochs_replica_failures_total", "Replicas of a volume that have failed."],
  ["crcErrors", "aurochs_crc_errors_total", "Blocks of a volume whose checksum was wrong."],
];

/** s: from a local read to an attachment that waits for a node. */
const REQUEST_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** s: from a write that a local NVMe answers to a disk that is broken. */
const IO_BUCKETS = [0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

export class OwnMetrics {
  readonly #requests: Histogram;
  readonly #streams: Gauge;
  readonly #latency: Histogram;
  readonly #counters: ReadonlyMap<keyof EngineTotals, Counter>;
  /** by process */
  readonly #last = new Map<string, { volume: string; totals: EngineTotals }>();

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Histogram({
      name: "aurochs_http_request_duration_seconds",
      help: "Time from a request to the end of its reply.",
      labelNames: ["method", "route", "status"],
      buckets: REQUEST_BUCKETS,
      registers,
    });
    this.#streams = new Gauge({
      name: "aurochs_http_streams",
      help: "WebSockets that are open.",
      registers,
    });
    this.#latency = new Histogram({
      name: "aurochs_volume_latency_seconds",
      help: "Time that an operation of a volume takes.",
      labelNames: ["volume", "operation"],
      buckets: IO_BUCKETS,
      registers,
    });
    const labelNames = ["volume"];
    this.#counters = new Map(
      COUNTERS.map(([value, name, help]) => [value, new Counter({ name, help, labelNames, registers })]),
    );
  }

  /** @param route as it is registered, so that names of volumes make no series */
  request(method: string, route: string, status: number, seconds: number): void {
    this.#requests.observe({ method, route, status: String(status) }, seconds);
  }

  streams(count: number): void {
    this.#streams.set(count);
  }

  operation(volume: string, operation: "read" | "write" | "flush" | "unmap", seconds: number): void {
    this.#latency.observe({ volume, operation }, seconds);
  }

  /** Counters go on when a volume's next engine begins at 0.
   * @param process of the engine: another one has another */
  engine(volume: string, process: string, totals: EngineTotals): void {
    const before = this.#last.get(process)?.totals;
    for (const [value, counter] of this.#counters)
      counter.inc({ volume }, Math.max(0, totals[value] - (before?.[value] ?? 0)));
    this.#last.set(process, { volume, totals: { ...totals } });
  }

  engineEnded(process: string): void {
    this.#last.delete(process);
  }

  /** A volume that is gone has no series any more. */
  volumeGone(volume: string): void {
    for (const counter of this.#counters.values()) counter.remove({ volume });
    for (const operation of ["read", "write", "flush", "unmap"]) this.#latency.remove({ volume, operation });
    for (const [process, last] of this.#last) if (last.volume === volume) this.#last.delete(process);
  }
}
