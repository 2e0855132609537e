/** How fast a sync agent sends: a bucket of tokens, one per byte, that all its transfers share. */
import { setTimeout as sleep } from "node:timers/promises";
import { RATE_BURST_MS } from "./limits.js";

/** Bytes per second; null: no limit. */
type Rate = number | null;

export interface RateLimitOptions {
  rate: Rate;
  /** it holds at the moment; absent: always, and whatever an engine allows */
  applies?: () => boolean;
  /** ms, never going back */
  now?: () => number;
  wait?: (ms: number) => Promise<unknown>;
}

export class RateLimit {
  /** when everything that was let through will have been sent at the rate allowed; ms */
  #paidUntil = 0;
  /** what the volume's engine allows, and until when it counts, ms */
  #told: { rate: Rate; until: number } = { rate: null, until: -Infinity };
  #bytes = 0;
  readonly #now: () => number;
  readonly #wait: (ms: number) => Promise<unknown>;

  constructor(private readonly options: RateLimitOptions) {
    this.#now = options.now ?? (() => performance.now());
    this.#wait = options.wait ?? ((ms) => sleep(ms));
  }

  /** That were let through since the beginning. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The volume's engine sees how its users fare, and knows better than a limit that is not meant to hold in any case. */
  tell(rate: Rate, forMs: number): void {
    this.#told = { rate, until: this.#now() + forMs };
  }

  /** Waits until `bytes` more may be sent: those who ask are served in the order in which they ask. */
  async take(bytes: number): Promise<void> {
    while (this.#rate() === 0) await this.#wait(RATE_BURST_MS);
    this.#bytes += bytes;
    const rate = this.#rate();
    if (rate === null) return;
    const now = this.#now();
    // What was not used is kept for a moment only: a burst must not fill the link's queues.
    this.#paidUntil = Math.max(this.#paidUntil, now - RATE_BURST_MS) + (bytes / rate) * 1_000;
    // In steps, since it may be that there is no limit for so long.
    for (let early = this.#paidUntil - now; early > 0 && this.#rate() !== null; early -= RATE_BURST_MS)
      await this.#wait(Math.min(early, RATE_BURST_MS));
  }

  #rate(): Rate {
    const { rate, applies } = this.options;
    const told = this.#now() < this.#told.until ? this.#told : null;
    if (applies === undefined) return told === null ? rate : lower(rate, told.rate);
    if (told !== null) return told.rate;
    return applies() ? rate : null;
  }
}

function lower(a: Rate, b: Rate): Rate {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
