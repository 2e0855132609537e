/** A volume's users while something is copied: far from all that it can. */
import { load, type Access } from "../load.js";
import { patternNamed } from "../patterns.js";

const DEPTH = 4;
const OPERATIONS_PER_SECOND = 2_000;
const WARMUP_SECONDS = 0.2;

export class Users {
  #seed = 0;

  /** @param size of the volume, bytes
   * @param seconds of a window */
  constructor(
    private readonly access: () => Access,
    private readonly size: number,
    private readonly seconds: number,
    private readonly signal: AbortSignal,
  ) {}

  /** @returns ms that 99 of 100 operations stayed below */
  async window(): Promise<number> {
    const pattern = { ...patternNamed("mixed-4k-d32"), depth: DEPTH };
    const limits = { seconds: this.seconds, warmup: WARMUP_SECONDS, rate: OPERATIONS_PER_SECOND };
    const request = { pattern, range: this.size, processes: [], ...limits, seed: ++this.#seed };
    const { latencyUs } = await load(this.access(), request, this.signal);
    return latencyUs.p99 / 1000;
  }
}

export const rangeOf = (values: readonly number[]) => ({
  min: Math.min(...values),
  max: Math.max(...values),
});
