/** Stands in for `node:timers/promises` and for the global timers and clock, wherever a simulated process runs. */
import { EPOCH_MS, runningProcess, simulation, type Scheduled } from "./simulation.js";

/** `setTimeout` of `node:timers/promises`. */
export function sleep<T>(delayMs = 0, value?: T, options: { signal?: AbortSignal } = {}): Promise<T> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    const abort = () => reject(new DOMException("The operation was aborted", "AbortError"));
    if (signal?.aborted === true) {
      abort();
      return;
    }
    const timer = simulation().after(delayMs, runningProcess() ?? null, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve(value as T);
    });
    const onAbort = () => {
      timer.cancel();
      abort();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
export { sleep as setTimeout };

/** What `setTimeout` and `setInterval` return. */
class Timer {
  private next: Scheduled;

  constructor(
    private readonly delayMs: number,
    private readonly again: boolean,
    private readonly work: () => void,
  ) {
    this.next = this.arm();
  }

  private arm(): Scheduled {
    return simulation().after(this.delayMs, runningProcess() ?? null, () => {
      if (this.again) this.next = this.arm();
      this.work();
    });
  }

  cancel(): void {
    this.next.cancel();
  }

  unref(): this {
    return this;
  }
}

/** Simulated processes see simulated time from here on; all other code sees what there was. */
export function installClock(): void {
  const real = { setTimeout, setInterval, clearTimeout, clearInterval, now: Date.now };
  const later =
    (again: boolean, otherwise: (...args: never[]) => unknown) =>
    (work: (...args: unknown[]) => void, delayMs?: number, ...args: unknown[]) =>
      runningProcess() === undefined
        ? (otherwise as (...all: unknown[]) => unknown)(work, delayMs, ...args)
        : new Timer(delayMs ?? 0, again, () => work(...args));
  const cancel = (otherwise: (timer: never) => void) => (timer: unknown) => {
    if (timer instanceof Timer) timer.cancel();
    else otherwise(timer as never);
  };
  const now = () => {
    const process = runningProcess();
    return process === undefined ? real.now() : EPOCH_MS + simulation().now + process.clockAheadMs;
  };
  Object.assign(globalThis, {
    setTimeout: later(false, real.setTimeout),
    setInterval: later(true, real.setInterval),
    clearTimeout: cancel(real.clearTimeout),
    clearInterval: cancel(real.clearInterval),
  });
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...args: unknown[]) {
      // Without arguments it would ask the machine.
      super(...((args.length === 0 ? [now()] : args) as [number]));
    }
    static override now = now;
  } as DateConstructor;
  const realNow = performance.now.bind(performance);
  const elapsed = () => (runningProcess() === undefined ? realNow() : simulation().now);
  Object.defineProperty(performance, "now", { value: elapsed });
  const realTimeout = AbortSignal.timeout.bind(AbortSignal);
  AbortSignal.timeout = (delayMs) => {
    if (runningProcess() === undefined) return realTimeout(delayMs);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new DOMException("timed out", "TimeoutError")), delayMs);
    return controller.signal;
  };
}
