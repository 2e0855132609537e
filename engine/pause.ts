/** A pause of a loop that somebody may end before its time. */
import { setTimeout as sleep } from "node:timers/promises";

export class Pause {
  #end: (() => void) | null = null;
  /** ended before it had begun: by what happened while the loop was at work */
  #isEnded = false;

  /** @param signal ends it as well */
  async wait(delayMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#isEnded && !signal.aborted) {
      const ended = new AbortController();
      const end = () => ended.abort();
      this.#end = end;
      signal.addEventListener("abort", end, { once: true });
      await sleep(delayMs, undefined, { signal: ended.signal }).catch(() => undefined);
      signal.removeEventListener("abort", end);
    }
    this.#end = null;
    this.#isEnded = false;
  }

  end(): void {
    this.#isEnded = true;
    this.#end?.();
  }
}
