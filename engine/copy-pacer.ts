/** Makes copies of a volume's data go at the pace that its users allow (see copy-pace.ts), and tells others that pace. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Volume } from "../native/index.js";
import { latenciesSince, nextPace, type CopyPace } from "./copy-pace.js";
import { COPY_PACE_BURST_MS, COPY_PACE_PERIOD_MS, COPY_RATE_MIN } from "./limits.js";

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
    let before = this.#sample();
    while (this.#users > 0 && !this.signal.aborted) {
      await this.#pause(COPY_PACE_PERIOD_MS);
      const now = this.#sample();
      const seconds = (now.ms - before.ms) / 1_000;
      this.#pace = nextPace(this.#pace, {
        latencies: latenciesSince(before.latency, now.latency),
        bytesPerSecond: (now.copiedBytes - before.copiedBytes) / seconds,
      });
      before = now;
    }
    this.#pace = { mode: "full" };
    this.#watching = false;
  }

  #sample() {
    const { latency } = this.volume.stats();
    return { latency, copiedBytes: this.#copiedBytes, ms: performance.now() };
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.signal }).catch(() => undefined);
  }
}
