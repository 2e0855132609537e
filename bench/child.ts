/** Child processes: run to the end with a time limit, or kept running until stopped. Ended by their pid alone. */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { OUTPUT_CHARACTERS_MAX, STOP_MS_MAX } from "./limits.js";

/** What a child wrote and how it ended. */
export interface Outcome {
  stdout: string;
  stderr: string;
  /** Exit status, or null after a signal. */
  status: number | null;
}

function collect(child: ChildProcess): Outcome {
  const outcome: Outcome = { stdout: "", stderr: "", status: null };
  const keep = (text: string, chunk: string): string => (text + chunk).slice(-OUTPUT_CHARACTERS_MAX);
  child.stdout
    ?.setEncoding("utf8")
    .on("data", (chunk: string) => (outcome.stdout = keep(outcome.stdout, chunk)));
  child.stderr
    ?.setEncoding("utf8")
    .on("data", (chunk: string) => (outcome.stderr = keep(outcome.stderr, chunk)));
  return outcome;
}

/**
 * Runs a program to its end.
 * @param timeoutMs after it the program is killed
 * @param signal when aborted the program is killed
 * @throws {Error} when it could not be started, was killed, or ended with another status than 0
 */
export async function run(
  command: string,
  args: readonly string[],
  { timeoutMs, signal, env }: { timeoutMs: number; signal: AbortSignal; env?: NodeJS.ProcessEnv },
): Promise<Outcome> {
  signal.throwIfAborted();
  const options: SpawnOptions = {
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own: Ctrl-C in a terminal reaches this program, which stops things in order.
    detached: true,
    env: { ...process.env, ...env },
  };
  const child = spawn(command, args, options);
  const outcome = collect(child);
  const limit = AbortSignal.timeout(Math.ceil(timeoutMs));
  const ended = AbortSignal.any([signal, limit]);
  // The whole group: fio, for one, works in children of its own.
  const kill = (): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
  };
  ended.addEventListener("abort", kill);
  try {
    await once(child, "close");
  } finally {
    ended.removeEventListener("abort", kill);
  }
  signal.throwIfAborted();
  outcome.status = child.exitCode;
  if (limit.aborted) throw new Error(`${command} took longer than ${timeoutMs} ms and was killed`);
  if (outcome.status !== 0) {
    const why = outcome.stderr.trim() || outcome.stdout.trim();
    throw new Error(`${command} ended with ${child.exitCode ?? child.signalCode ?? "?"}: ${why}`);
  }
  return outcome;
}

/** A program that runs until it is stopped. */
export class Service {
  readonly #child: ChildProcess;
  readonly #command: string;
  readonly #outcome: Outcome;
  readonly #closed: Promise<unknown>;
  #failure: Error | undefined;

  private constructor(command: string, child: ChildProcess) {
    this.#command = command;
    this.#child = child;
    this.#outcome = collect(child);
    this.#closed = new Promise((resolve) => child.once("close", resolve));
    child.on("error", (error) => (this.#failure = error));
  }

  static start(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Service {
    const options: SpawnOptions = {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      env: { ...process.env, ...env },
    };
    return new Service(command, spawn(command, args, options));
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw this.#failure ?? new Error(`${this.#command} did not start`);
    return this.#child.pid;
  }

  /** @throws {Error} with the program's last words when it has ended */
  assertRunning(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#child.exitCode === null && this.#child.signalCode === null) return;
    const why = this.#outcome.stderr.trim() || this.#outcome.stdout.trim();
    throw new Error(
      `${this.#command} ended (${this.#child.exitCode ?? this.#child.signalCode ?? "?"}): ${why}`,
    );
  }

  /** Sends `signal`, after STOP_MS_MAX SIGKILL; resolves when it has ended. Idempotent. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    if (this.#child.pid === undefined) return;
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS_MAX);
    await this.#closed;
    clearTimeout(timer);
  }
}
