/** Makes copies of a volume's data go at the pace that its users allow (see copy-pace.ts), and tells others that pace. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Volume, VolumeStats } from "../native/index.js";
import { latenciesSince, nextPace, sumOf, type CopyPace, type Measured } from "./copy-pace.js";
import { COPY_PACE_BURST_MS, COPY_PACE_PERIOD_MS, COPY_RATE_MIN } from "./limits.js";

interface Sample {
  latency: VolumeStats["latency"];
  copiedBytes: number;
  ms: number;
}

export class CopyPacer {
  #pace: CopyPace = { mode: "full" };
  #users = 0;
  #watching = false;
  #copiedBytes = 0;
  /** ms: when all that was let through will have been copied at the rate allowed */
  #paidUntil = 0;

  constructor(
    private readonly volume: Pick<Volume, "stats">,
    private readonly signal: AbortSignal,
  ) {}

  /** Bytes per second that may be copied at the moment; 0: nothing; null: no limit. */
  get bytesPerSecond(): number | null {
    const { mode } = this.#pace;
    if (mode === "full") return null;
    return mode === "listen" ? 0 : this.#pace.bytesPerSecond;
  }

  /** Somebody else has copied so much. */
  note(bytes: number): void {
    this.#copiedBytes += bytes;
  }

  /** The volume's users are watched during `work`, which copies data. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#users += 1;
    if (!this.#watching) void this.#watch();
    try {
      return await work();
    } finally {
      this.#users -= 1;
    }
  }

  /** Waits until `bytes` more may be copied: those who ask are served in the order in which they ask. */
  async take(bytes: number): Promise<void> {
    this.#copiedBytes += bytes;
    while (this.bytesPerSecond === 0 && !this.signal.aborted) await this.#pause(COPY_PACE_BURST_MS);
    const rate = this.bytesPerSecond;
    if (rate === null) return;
    const now = performance.now();
    this.#paidUntil =
      Math.max(this.#paidUntil, now - COPY_PACE_BURST_MS) + (bytes / Math.max(rate, COPY_RATE_MIN)) * 1_000;
    const early = this.#paidUntil - now;
    if (early > 0) await this.#pause(early);
  }

  async #watch(): Promise<void> {
    this.#watching = true;
    let before: Sample | null = null;
    // Once the engine stops the volume may be closed, and cannot be asked any more.
    while (this.#users > 0 && !this.signal.aborted) {
      const now = this.#sample();
      if (before !== null) this.#pace = nextPace(this.#pace, observed(before, now));
      before = now;
      await this.#pause(COPY_PACE_PERIOD_MS);
    }
    this.#pace = { mode: "full" };
    this.#watching = false;
  }

  #sample(): Sample {
    const { latency } = this.volume.stats();
    return { latency, copiedBytes: this.#copiedBytes, ms: performance.now() };
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.signal }).catch(() => undefined);
  }
}

function observed(before: Sample, now: Sample): Measured {
  return {
    latencies: sumOf(
      latenciesSince(before.latency.read.counts, now.latency.read.counts),
      latenciesSince(before.latency.write.counts, now.latency.write.counts),
    ),
    bytesPerSecond: ((now.copiedBytes - before.copiedBytes) / (now.ms - before.ms)) * 1_000,
  };
}
