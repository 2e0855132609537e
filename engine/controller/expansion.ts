/** An expansion of the volume: begun at once, its outcome told later. */
import { EXPANSION_MULTIPLE } from "./limits.js";

export class Expansion {
  running = false;
  /** "" when the last one succeeded everywhere */
  lastError = "";
  /** RFC 3339 with fractions, or "" */
  lastFailedAt = "";

  /** @returns whether there is anything to be done
   * @throws {Error} when it must not begin; that is remembered, too */
  begin(present: number, size: number): boolean {
    const refusal = this.#refusal(present, size);
    if (refusal !== null) {
      if (!this.running) this.fail(`controller failed to start expansion: ${refusal}`);
      throw new Error(refusal);
    }
    if (present === size) return false;
    this.running = true;
    this.lastError = "";
    this.lastFailedAt = "";
    return true;
  }

  #refusal(present: number, size: number): string | null {
    if (this.running) return "controller expansion is in progress";
    if (size % EXPANSION_MULTIPLE !== 0)
      return `requested expansion size ${size} not multiple of volume sector size ${EXPANSION_MULTIPLE}`;
    return size < present ? `controller cannot be expanded to a smaller size ${size}` : null;
  }

  /** What went wrong; the expansion may have succeeded in spite of it. */
  fail(text: string): void {
    this.lastError = text;
    this.lastFailedAt = new Date().toISOString();
  }

  end(): void {
    this.running = false;
  }
}
