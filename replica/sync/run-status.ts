/** How a long job stands, in Longhorn's words: of the last run only. */
export interface RunStatus {
  isRunning: boolean;
  /** percent */
  progress: number;
  state: "" | "in_progress" | "complete" | "error";
  error: string;
}

export const NOT_RUN: RunStatus = { isRunning: false, progress: 0, state: "", error: "" };

// NOT_RUN, complete, error --begin--> in_progress --end--> complete | error
export class Run {
  private status_ = NOT_RUN;
  private done = 0;
  private total = 0;

  get status(): RunStatus {
    return this.status_;
  }

  /** Runs `job`; rejects as it does.
   * @param total of what `advance` counts */
  async run<T>(total: number, job: () => Promise<T>): Promise<T> {
    [this.done, this.total] = [0, total];
    this.status_ = { isRunning: true, progress: 0, state: "in_progress", error: "" };
    try {
      const result = await job();
      this.status_ = { isRunning: false, progress: 100, state: "complete", error: "" };
      return result;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.status_ = { ...this.status_, isRunning: false, state: "error", error: text };
      throw error;
    }
  }

  advance(amount: number): void {
    this.done += amount;
    const part = this.total === 0 ? 0 : Math.min(this.done / this.total, 1);
    // All is done when the job says so.
    if (this.status_.isRunning)
      this.status_ = { ...this.status_, progress: Math.min(99, Math.floor(part * 100)) };
  }

  reset(): void {
    if (!this.status_.isRunning) this.status_ = NOT_RUN;
  }
}
