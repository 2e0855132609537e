/** Pauses before something that crashed is started again. */
import { RESTART_DELAY_MS, RESTART_DELAY_MS_MAX, STEADY_MS } from "./limits.js";

export class Backoff {
  #failures = 0;
  #startedAt = 0;

  started(): void {
    this.#startedAt = Date.now();
  }

  /** @returns ms to wait: none after it ran well for a while */
  ended(): number {
    if (Date.now() - this.#startedAt > STEADY_MS) this.#failures = 0;
    const delay =
      this.#failures === 0 ? 0 : Math.min(RESTART_DELAY_MS * 2 ** (this.#failures - 1), RESTART_DELAY_MS_MAX);
    this.#failures += 1;
    return delay;
  }
}
