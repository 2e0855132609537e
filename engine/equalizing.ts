/** One copy that is made equal to another where they may differ: at the pace that users allow, and at once where one of them waits. */
import { AGREEMENT_COPIES_MAX } from "./limits.js";
import { makeEqual, makeRangeEqual, type CopyTask } from "./make-equal.js";
import { touching, type Range } from "./region-ranges.js";

export class Equalizing {
  /** that nobody copies yet */
  readonly #left: Set<Range>;
  readonly #ahead: Range[] = [];
  readonly #workers: Promise<boolean>[] = [];
  #working = 0;

  /** @param task its ranges ascend, without overlaps */
  constructor(private readonly task: Omit<CopyTask, "claim">) {
    this.#left = new Set(task.ranges);
  }

  /** @returns false when the copy is no longer wanted */
  async run(): Promise<boolean> {
    const done = await makeEqual({ ...this.task, claim: (range) => this.#left.delete(range) });
    return (await Promise.all(this.#workers)).every(Boolean) && done;
  }

  /** Somebody waits for what is at `waited`. */
  hurry(waited: Range): void {
    for (const range of touching(this.task.ranges, waited))
      if (this.#left.delete(range)) this.#ahead.push(range);
    while (this.#ahead.length > 0 && this.#working < AGREEMENT_COPIES_MAX) this.#workers.push(this.#work());
  }

  async #work(): Promise<boolean> {
    this.#working += 1;
    try {
      for (let range = this.#ahead.shift(); range !== undefined; range = this.#ahead.shift()) {
        this.task.pacer.note(range.length);
        if ((await makeRangeEqual(this.task, range)) === null) return false;
      }
      return true;
    } finally {
      this.#working -= 1;
    }
  }
}
