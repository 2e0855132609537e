/** A child process that is kept running: started again, with growing pauses, whenever it ends by itself. */
import { spawn, type ChildProcess } from "node:child_process";
import { openSync, closeSync } from "node:fs";
import { CHILD_ENVIRONMENT, PARENT_PIPE_FD } from "./parent.js";

const RESTART_DELAY_MS = 100;
const RESTART_DELAY_MS_MAX = 5_000;

/** ms after which a child counts as having run well, and the pauses begin anew. */
const STEADY_MS = 30_000;

export interface ChildOptions {
  /** arguments of `aurochs`; asked anew for each start */
  args: () => string[];
  /** what runs a program where this one is to run, put before it; absent: here */
  inside?: readonly string[];
  /** where its standard error goes; null: to ours */
  logFile: string | null;
  /** @param failures how often it has ended since it last ran well
   * @returns whether to start it again */
  onEnd: (code: number | null, signal: NodeJS.Signals | null, failures: number) => boolean;
  onStart: () => void;
}

export class Child {
  #process: ChildProcess | null = null;
  #timer: NodeJS.Timeout | null = null;
  #failures = 0;
  #stopping = false;
  #ended: Promise<void> = Promise.resolve();

  constructor(private readonly options: ChildOptions) {}

  /** null while it is not running */
  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  start(): void {
    const { args, inside = [], logFile, onStart } = this.options;
    const startedAt = Date.now();
    const log = logFile === null ? null : openSync(logFile, "a");
    // The same executable and flags as ours. The pipe is never written to: its end is all it tells.
    const stdio: ("ignore" | "inherit" | "pipe" | number)[] = ["ignore", "ignore", log ?? "inherit"];
    stdio[PARENT_PIPE_FD] = "pipe";
    const own = [process.execPath, ...process.execArgv, process.argv[1] ?? "", ...args()];
    const [program = "", ...rest] = [...inside, ...own];
    const child = spawn(program, rest, {
      stdio,
      // A Ctrl-C in the terminal is for `up` alone: it stops the others in order.
      detached: true,
      env: { ...process.env, ...CHILD_ENVIRONMENT },
    });
    if (log !== null) closeSync(log);
    this.#process = child;
    this.#ended = new Promise((resolve) => {
      child.once("error", () => this.#onEnd(startedAt, null, null, resolve));
      child.once("exit", (code, signal) => this.#onEnd(startedAt, code, signal, resolve));
    });
    onStart();
  }

  #onEnd(startedAt: number, code: number | null, signal: NodeJS.Signals | null, resolve: () => void): void {
    this.#process = null;
    resolve();
    if (this.#stopping) return;
    this.#failures = Date.now() - startedAt > STEADY_MS ? 1 : this.#failures + 1;
    if (!this.options.onEnd(code, signal, this.#failures)) return;
    const delayMs = Math.min(RESTART_DELAY_MS * 2 ** (this.#failures - 1), RESTART_DELAY_MS_MAX);
    this.#timer = setTimeout(() => this.start(), delayMs);
  }

  /** SIGTERM, then SIGKILL when that takes longer than `timeoutMs`.
   * @returns whether it ended by itself */
  async stop(timeoutMs: number): Promise<boolean> {
    this.#stopping = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const child = this.#process;
    if (child === null) return true;
    let killed = false;
    child.kill("SIGTERM");
    const timer = setTimeout(() => {
      killed = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    await this.#ended;
    clearTimeout(timer);
    return !killed;
  }
}
