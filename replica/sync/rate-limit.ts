/** How fast a sync agent sends: a bucket of tokens, one per byte, that all its transfers share. */
import { setTimeout as sleep } from "node:timers/promises";
import { RATE_BURST_MS } from "./limits.js";

export class RateLimit {
  /** when everything that was let through will have been sent at the rate allowed; ms */
  #paidUntil = 0;

  /** @param bytesPerSecond null: no limit
   * @param applies whether there is a limit at the moment
   * @param now ms, never going back */
  constructor(
    private readonly bytesPerSecond: number | null,
    private readonly applies: () => boolean = () => true,
    private readonly now: () => number = () => performance.now(),
    private readonly wait: (ms: number) => Promise<unknown> = (ms) => sleep(ms),
  ) {}

  /** Waits until `bytes` more may be sent: those who ask are served in the order in which they ask. */
  async take(bytes: number): Promise<void> {
    if (this.bytesPerSecond === null || !this.applies()) return;
    const now = this.now();
    // What was not used is kept for a moment only: a burst must not fill the link's queues.
    this.#paidUntil = Math.max(this.#paidUntil, now - RATE_BURST_MS) + (bytes / this.bytesPerSecond) * 1_000;
    // In steps, since it may be that it does not apply for so long.
    for (let early = this.#paidUntil - now; early > 0 && this.applies(); early -= RATE_BURST_MS)
      await this.wait(Math.min(early, RATE_BURST_MS));
  }
}
