/**
 * Time, and the order in which things happen: one queue of events, run one by one, each with all that follows from it
 * before the next. No real time passes. Code of the product runs on behalf of a `Process`, which an AsyncLocalStorage
 * carries through its promises: when the process has died, nothing that it waits for ever comes.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { Random } from "./random.js";

/** Before anything replaces it. */
const realImmediate = setImmediate;

/** What simulated clocks show at the beginning. */
export const EPOCH_MS = Date.UTC(2030, 0, 1);

export class Process {
  alive = true;
  /** its machine's clock is ahead by so much, ms */
  clockAheadMs = 0;
  /** what happened while it was stopped */
  private held: (() => void)[] | null = null;
  private readonly atDeath: (() => void)[] = [];

  constructor(
    readonly name: string,
    readonly machine: string,
  ) {}

  /** Runs `work` as code of this process. */
  run<T>(work: () => T): T {
    return running.run(this, work);
  }

  onDeath(work: () => void): void {
    this.atDeath.push(work);
  }

  /** Nothing of it runs any more, from this moment on. */
  die(): void {
    if (!this.alive) return;
    this.alive = false;
    this.held = null;
    for (const work of this.atDeath) work();
  }

  stop(): void {
    this.held ??= [];
  }

  /** @returns what has to be made up for */
  resume(): (() => void)[] {
    const { held } = this;
    this.held = null;
    return held ?? [];
  }

  /** @returns whether it has to wait until the process goes on */
  defer(work: () => void): boolean {
    this.held?.push(work);
    return this.held !== null;
  }
}

const running = new AsyncLocalStorage<Process>();

/** The process whose code is running; undefined in the simulator's own. */
export function runningProcess(): Process | undefined {
  return running.getStore();
}

interface Event {
  at: number;
  order: number;
  /** null: nobody's */
  process: Process | null;
  work: () => void;
  /** it keeps no promise, unless it says so by `touch` */
  quiet: boolean;
  cancelled: boolean;
}

export interface Scheduled {
  cancel(): void;
}

let current: Simulation | null = null;

/** Another run begins. */
export function beginSimulation(seed: number): Simulation {
  current = new Simulation(seed);
  return current;
}

/** The one that runs: what stands in for Node's modules finds it here. */
export function simulation(): Simulation {
  if (current === null) throw new Error("no simulation runs");
  return current;
}

export class Simulation {
  /** ms since the beginning */
  now = 0;
  events = 0;
  readonly random: Random;
  /** done when so many events have happened */
  interruption: { event: number; work: () => void } | null = null;
  private readonly heap: Event[] = [];
  private order = 0;
  private touched = false;
  private failure: unknown = null;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  /** Does `work` later, as code of `process` if it is alive by then.
   * @param quiet no promise is kept by it, unless it calls `touch`: the next event may follow at once */
  after(delayMs: number, process: Process | null, work: () => void, quiet = false): Scheduled {
    const event = { at: this.now + delayMs, order: this.order++, process, work, quiet, cancelled: false };
    this.push(event);
    return { cancel: () => (event.cancelled = true) };
  }

  /** What the running process asked for, and gets after a while; never when it has died by then. */
  answer<T>(delayMs: number, work: () => T): Promise<T> {
    const process = runningProcess() ?? null;
    return new Promise((resolve, reject) => {
      this.after(delayMs, process, () => {
        try {
          resolve(work());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  resume(process: Process): void {
    for (const work of process.resume()) this.after(0, process, work);
  }

  /** To be called where a promise is resolved or the product's code runs: what follows has to happen before the next event. */
  touch(): void {
    this.touched = true;
  }

  /** Ends the run with this error. */
  fail(error: unknown): void {
    this.failure ??= error;
  }

  /** Until `done`, or until nothing is left to happen. */
  async run(done: () => boolean): Promise<void> {
    await drain();
    while (!done()) {
      const event = this.pop();
      if (event === undefined) return;
      if (event.cancelled) continue;
      this.now = Math.max(this.now, event.at);
      this.events++;
      if (this.interruption?.event === this.events) this.interruption.work();
      const { process, work } = event;
      if (process === null) work();
      else {
        if (!process.alive || process.defer(work)) continue;
        process.run(work);
      }
      if (!event.quiet || this.touched) {
        this.touched = false;
        await drain();
      }
      if (this.failure !== null) throw this.failure as Error;
    }
  }

  private push(event: Event): void {
    const { heap } = this;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Event;
      if (!isBefore(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  private pop(): Event | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
      const least = heap[child] as Event;
      if (!isBefore(least, last)) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** All promises that can be kept are. */
function drain(): Promise<void> {
  return new Promise((resolve) => realImmediate(resolve));
}
