/** One decision at a time, in the order asked for. */

export interface DecisionQueueOptions {
  /** once aborted, decisions that were put off are not made any more */
  signal: AbortSignal;
  /** of decisions whose outcome nobody waits for */
  onError: (error: unknown) => void;
  /** after each decision, however it went; absent: nobody wants to know */
  onDecided?: () => void;
}

export class DecisionQueue {
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: DecisionQueueOptions) {}

  /** Makes a decision when all earlier ones are made; one that failed does not stop the next. */
  run<T>(decision: () => Promise<T>): Promise<T> {
    const result = this.#last.then(decision);
    this.#last = result.catch(() => undefined).then(this.options.onDecided);
    return result;
  }

  /** The same, and nobody waits for it. */
  post(decision: () => Promise<void>): void {
    this.run(decision).catch(this.options.onError);
  }

  /** The same, after `delayMs`. */
  later(decision: () => Promise<void>, delayMs: number): void {
    setTimeout(() => {
      if (!this.options.signal.aborted) this.post(decision);
    }, delayMs);
  }
}
