/**
 * Time, and the order in which things happen: one queue of events, run one by one, each with all that follows from it
 * before the next. No real time passes. Code of the product runs on behalf of a `Process`: whatever follows from an event
 * of it is its own, as no promise is kept by one process and awaited by another. When it has died, nothing that it waits for ever comes.
 */
import { Random } from "./random.js";

/** Not among Node's types, although it is there for everybody. */
const node = process as unknown as { _tickCallback: () => void };

/** What simulated clocks show at the beginning. */
export const EPOCH_MS = Date.UTC(2030, 0, 1);

export class Process {
  alive = true;
  /** its machine's clock is ahead by so much, ms */
  clockAheadMs = 0;
  /** what happened while it was stopped */
  private held: (() => void)[] | null = null;
  private readonly atDeath = new Set<() => void>();

  constructor(
    readonly name: string,
    readonly machine: string,
  ) {}

  /** Does `work` as code of this process, which begins with an event of its own.
   * @returns what comes of it: nothing ever, when the process has died */
  run<T>(work: () => T | Promise<T>): Promise<T> {
    return simulation().answer(0, work, this);
  }

  /** @returns what forgets it */
  onDeath(work: () => void): () => void {
    this.atDeath.add(work);
    return () => this.atDeath.delete(work);
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
  defer(event: Event): boolean {
    this.held?.push(event.held());
    return this.held !== null;
  }
}

let running: Process | null = null;

/** The process whose code is running; undefined in the simulator's own. */
export function runningProcess(): Process | undefined {
  return running ?? undefined;
}

/** Who waits for what an event comes to. */
interface Waiter {
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
}

class Event {
  constructor(
    readonly at: number,
    readonly order: number,
    /** null: nobody's */
    readonly process: Process | null,
    /** null: it was cancelled. What it would have needed is not kept for it. */
    private work: (() => unknown) | null,
    private readonly waiter: Waiter | null,
  ) {}

  cancel(): void {
    this.work = null;
  }

  get isCancelled(): boolean {
    return this.work === null;
  }

  perform(): void {
    if (this.work !== null) perform(this.work, this.waiter);
  }

  /** For later, when it cannot be cancelled any more. */
  held(): () => void {
    const { work, waiter } = this;
    return () => {
      if (work !== null) perform(work, waiter);
    };
  }
}

function perform(work: () => unknown, waiter: Waiter | null): void {
  if (waiter === null) work();
  else settle(work, waiter.resolve, waiter.reject);
}

export type Scheduled = Pick<Event, "cancel">;

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
  private failure: unknown = null;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  /** Does `work` later, as code of `process` if it is alive by then. */
  after(delayMs: number, process: Process | null, work: () => void): Scheduled {
    return this.push(new Event(this.now + delayMs, this.order++, process, work, null));
  }

  /** What the running process asked for, and gets after a while; never when it has died by then. */
  answer<T>(delayMs: number, work: () => T | Promise<T>, process = running): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiter = { resolve: resolve as Waiter["resolve"], reject };
      this.push(new Event(this.now + delayMs, this.order++, process, work, waiter));
    });
  }

  resume(process: Process): void {
    for (const work of process.resume()) this.after(0, process, work);
  }

  /** Ends the run with this error. */
  fail(error: unknown): void {
    this.failure ??= error;
  }

  /** Until `done`, or until nothing is left to happen. */
  run(done: () => boolean): void {
    drain();
    while (!done()) {
      const event = this.pop();
      if (event === undefined) return;
      if (event.isCancelled) continue;
      this.now = Math.max(this.now, event.at);
      this.events++;
      if (this.interruption?.event === this.events) this.interruption.work();
      const { process } = event;
      if (process !== null && (!process.alive || process.defer(event))) continue;
      performAs(process, event);
      if (this.failure !== null) throw this.failure as Error;
    }
  }

  private push(event: Event): Event {
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
    return event;
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

/** One event, and all that follows from it. */
function performAs(process: Process | null, event: Event): void {
  running = process;
  try {
    event.perform();
    drain();
  } finally {
    running = null;
  }
}

/** All promises that can be kept are, and who waits for them runs: what Node does between two callbacks. */
function drain(): void {
  node._tickCallback();
}

/** @returns what `work` does in a callback of its own: promises are kept during it, which cannot be while another one is being kept */
export function inTurn<T>(work: () => T): Promise<T> {
  return new Promise((resolve, reject) => setImmediate(() => settle(work, resolve, reject)));
}

function settle<T>(
  work: () => T | Promise<T>,
  resolve: (result: T | Promise<T>) => void,
  reject: (error: Error) => void,
): void {
  try {
    resolve(work());
  } catch (error) {
    reject(error instanceof Error ? error : new Error(String(error)));
  }
}
