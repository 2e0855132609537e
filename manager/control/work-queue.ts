/**
 * Keys to be worked on: each by one worker at a time, once for however often it was added, again when it was added meanwhile,
 * and later when its work has failed.
 */
import type { Logger } from "pino";
import { RETRY_MS, WORKERS } from "./limits.js";

/** @returns ms since 1970 at which the key is to be looked at again; null: when something changes */
export type Work = (key: string) => Promise<number | null>;

export class WorkQueue {
  readonly #waiting = new Set<string>();
  readonly #busy = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, { at: number; timer: NodeJS.Timeout }>();
  readonly #idle: (() => void)[] = [];
  #stopped = false;

  /** @param isExpected failures that need no word in the log, such as a conflict */
  constructor(
    private readonly work: Work,
    private readonly log: Logger,
    private readonly isExpected: (error: unknown) => boolean = () => false,
  ) {}

  add(key: string): void {
    if (this.#stopped) return;
    this.#waiting.add(key);
    this.#next();
  }

  /** @param at ms since 1970; an earlier time that was asked for stays */
  addAt(key: string, at: number): void {
    const present = this.#timers.get(key);
    if (this.#stopped || (present !== undefined && present.at <= at)) return;
    if (present !== undefined) clearTimeout(present.timer);
    const timer = setTimeout(
      () => {
        this.#timers.delete(key);
        this.add(key);
      },
      Math.min(Math.max(0, at - Date.now()), TIMER_MS_MAX),
    );
    this.#timers.set(key, { at, timer });
  }

  /** Takes nothing more. Resolves when no work is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.clear();
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    if (this.#busy.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #next(): void {
    for (const key of this.#waiting) {
      if (this.#busy.size >= WORKERS) return;
      if (this.#busy.has(key)) continue;
      this.#waiting.delete(key);
      this.#busy.add(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    try {
      const at = await this.work(key);
      this.#failures.delete(key);
      if (at !== null) this.addAt(key, at);
    } catch (err) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      if (!this.isExpected(err)) this.log.warn({ err, key, failures }, "not done, tried again later");
      this.addAt(key, Date.now() + Math.min(RETRY_MS.first * 2 ** (failures - 1), RETRY_MS.max));
    } finally {
      this.#busy.delete(key);
      if (this.#busy.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
      this.#next();
    }
  }
}

/** ms: later ones overflow the timer, and are asked for again when it fires. */
const TIMER_MS_MAX = 2 ** 31 - 1;
