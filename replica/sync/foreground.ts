/** Whether a volume's users are at work, as far as this replica sees: their operations are counted by its store. */
import { FOREGROUND_LOOK_MS, FOREGROUND_QUIET_MS } from "./limits.js";

export class Foreground {
  #seen = 0;
  #seenAt = -Infinity;
  #activeUntil = -Infinity;

  /** @param operations done so far; smaller again after the replica was opened anew
   * @param now ms, never going back */
  constructor(
    private readonly operations: () => number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** After a time in which nobody asked they are, for a moment. */
  isActive(): boolean {
    const operations = this.operations();
    const now = this.now();
    if (now - this.#seenAt >= FOREGROUND_QUIET_MS) this.#activeUntil = now + FOREGROUND_LOOK_MS;
    else if (operations !== this.#seen) this.#activeUntil = now + FOREGROUND_QUIET_MS;
    this.#seen = operations;
    this.#seenAt = now;
    return now < this.#activeUntil;
  }
}
