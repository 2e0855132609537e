/** Throughput, operations and mean latency of the last full second. */
import type { VolumeStats } from "../../native/index.js";
import type { Metrics } from "../../proto/longhorn.js";
import { METRICS_INTERVAL_MS } from "./limits.js";

type Counted = Pick<
  VolumeStats,
  "reads" | "writes" | "readBytes" | "writtenBytes" | "readMicros" | "writeMicros"
>;

const NOTHING: Counted = {
  reads: 0,
  writes: 0,
  readBytes: 0,
  writtenBytes: 0,
  readMicros: 0,
  writeMicros: 0,
};

export class MetricsSampler {
  readonly #timer: NodeJS.Timeout;
  #before: Counted = NOTHING;
  #latest: Counted = NOTHING;

  /** @param stats null while there is no volume: counters start anew with each one */
  constructor(private readonly stats: () => Counted | null) {
    this.#timer = setInterval(() => this.#sample(), METRICS_INTERVAL_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const now = this.stats() ?? NOTHING;
    const since = (key: keyof Counted) => now[key] - (now[key] < this.#before[key] ? 0 : this.#before[key]);
    this.#latest = {
      reads: since("reads"),
      writes: since("writes"),
      readBytes: since("readBytes"),
      writtenBytes: since("writtenBytes"),
      readMicros: since("readMicros"),
      writeMicros: since("writeMicros"),
    };
    this.#before = now;
  }

  latest(): Metrics {
    const { reads, writes, readBytes, writtenBytes, readMicros, writeMicros } = this.#latest;
    return {
      readThroughput: readBytes,
      writeThroughput: writtenBytes,
      readIOPS: reads,
      writeIOPS: writes,
      readLatency: meanNanoseconds(readMicros, reads),
      writeLatency: meanNanoseconds(writeMicros, writes),
    };
  }
}

function meanNanoseconds(micros: number, operations: number): number {
  return operations === 0 ? 0 : Math.round((micros * 1_000) / operations);
}
