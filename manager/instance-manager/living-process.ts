/**
 * A process that outlives the agent: in a session of its own, its output straight in a file. The agent that started it, or
 * a later one that found it again, hears of its end.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { exitFileEnvironment, forgetExitCode, readExitCode } from "./exit-file.js";
import { ADOPTED_POLL_MS } from "./limits.js";
import { findByEnvironment, isAlive, startTimeOf, type ProcessId } from "./proc.js";
import type { Ending } from "./status.js";

/** By which a process is found whose id could not be noted. */
const MARK = "AUROCHS_INSTANCE";

export interface Launch {
  binary: string;
  args: readonly string[];
  /** appended to */
  logFile: string;
  /** where it is asked to leave its exit code */
  exitFile: string;
  /** its mark: no other process ever has it */
  mark: string;
  bootId: string;
}

export class LivingProcess {
  readonly ended: Promise<Ending>;
  #timer: NodeJS.Timeout | null = null;
  #end: (ending: Ending) => void = () => undefined;
  #hasEnded = false;

  private constructor(
    readonly id: ProcessId,
    private readonly exitFile: string,
    child: ChildProcess | null,
  ) {
    this.ended = new Promise((resolve) => (this.#end = resolve));
    void this.ended.then(() => (this.#hasEnded = true));
    if (child !== null) {
      child.once("exit", (code, signal) => this.#end({ code, signal }));
      return;
    }
    this.#timer = setInterval(() => this.look(), ADOPTED_POLL_MS);
  }

  /** @throws {Error} it cannot be started */
  static async start({ binary, args, logFile, exitFile, mark, bootId }: Launch): Promise<LivingProcess> {
    mkdirSync(dirname(logFile), { recursive: true });
    forgetExitCode(exitFile);
    const log = openSync(logFile, "a", 0o600);
    try {
      const child = spawn(binary, [...args], {
        stdio: ["ignore", log, log],
        // A session of its own: signals to the agent's process group are none of its business.
        detached: true,
        env: { ...process.env, ...exitFileEnvironment(exitFile), [MARK]: mark },
      });
      const { pid } = child;
      if (pid === undefined) throw await new Promise<Error>((resolve) => child.once("error", resolve));
      child.on("error", () => undefined); // of a signal that came too late
      const startTime = startTimeOf(pid) ?? "";
      return new LivingProcess({ pid, startTime, bootId }, exitFile, child);
    } finally {
      closeSync(log);
    }
  }

  /** @returns null when it has ended */
  static adopt(id: ProcessId, exitFile: string, bootId: string): LivingProcess | null {
    return isAlive(id, bootId) ? new LivingProcess(id, exitFile, null) : null;
  }

  /** One that was started by an agent that ended before it could note the id.
   * @returns null when there is none */
  static findMarked(mark: string, exitFile: string, bootId: string): LivingProcess | null {
    const pid = findByEnvironment(MARK, mark);
    const startTime = pid === null ? null : startTimeOf(pid);
    return pid === null || startTime === null
      ? null
      : new LivingProcess({ pid, startTime, bootId }, exitFile, null);
  }

  /** Looks whether it is still there; for one that was adopted: of its own child the agent is told. */
  look(): void {
    if (this.#timer === null || this.#hasEnded || isAlive(this.id, this.id.bootId)) return;
    this.forget();
    this.#end(endingNoted(this.exitFile));
  }

  /** What has ended is not signalled: its id may be another's. */
  signal(signal: NodeJS.Signals): void {
    if (this.#hasEnded || !isAlive(this.id, this.id.bootId)) return;
    try {
      process.kill(this.id.pid, signal);
    } catch {
      // It has ended just now.
    }
  }

  /** Nobody wants to hear of its end any more. */
  forget(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}

/** How a process ended that was another agent's child. */
export function endingNoted(exitFile: string): Ending {
  return { code: readExitCode(exitFile), signal: null };
}
