/** One asynchronous job after the other, in the order of asking. */
import { ReplicaError } from "./replica-error.js";

export class Serial {
  private last: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  /** @param waitingMax jobs under way and waiting; one more is refused. Absent: none is */
  constructor(private readonly waitingMax = Infinity) {}

  /** Nothing is under way. */
  get isIdle(): boolean {
    return this.waiting === 0;
  }

  /** @throws {ReplicaError} `IO_ERROR` when too many wait; and what `job` throws */
  async run<T>(job: () => T | Promise<T>): Promise<T> {
    if (this.waiting >= this.waitingMax)
      throw new ReplicaError("IO_ERROR", "too many requests wait for this replica");
    return this.always(job);
  }

  /** The same, never refused: for what has to happen (a failure, the end). */
  always<T>(job: () => T | Promise<T>): Promise<T> {
    this.waiting++;
    const result = this.last.then(job).finally(() => this.waiting--);
    this.last = result.catch(() => undefined);
    return result;
  }
}
