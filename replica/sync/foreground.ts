/** Whether a volume's users are at work, as far as this replica sees: their operations are counted by its store. */
import { FOREGROUND_QUIET_MS } from "./limits.js";

export class Foreground {
  #seen: number | null = null;
  #activeUntil = -Infinity;

  /** @param operations done so far; smaller again after the replica was opened anew
   * @param now ms, never going back */
  constructor(
    private readonly operations: () => number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Before anything is known they are, for a moment. */
  isActive(): boolean {
    const operations = this.operations();
    const now = this.now();
    if (operations !== this.#seen) this.#activeUntil = now + FOREGROUND_QUIET_MS;
    this.#seen = operations;
    return now < this.#activeUntil;
  }
}
