/** Child processes that a test starts, and certainly ends. */
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";

/** What a process has printed is cut to this; only its end matters for an error message. */
const OUTPUT_MAX_CHARS = 16 * 1024;

export interface Daemon {
  child: ChildProcess;
  pid: number;
  /** stdout and stderr so far */
  output(): string;
  /** resolves with the exit code, or the signal that ended it */
  ended: Promise<number | NodeJS.Signals>;
}

/** @param logFile gets all that it prints; absent: only the end of it is kept, for messages */
export function startDaemon(
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
  logFile?: string,
): Daemon {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-OUTPUT_MAX_CHARS);
      if (logFile !== undefined) appendFileSync(logFile, text);
    });
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once("error", (error) => {
      output += `${error.message}\n`;
      resolve(-1);
    });
    child.once("close", (code, signal) => resolve(code ?? signal ?? -1));
  });
  return { child, pid: child.pid ?? 0, output: () => output, ended };
}

/** Runs a program to its end. @throws when it fails, with what it printed */
export async function run(
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<string> {
  const daemon = startDaemon(command, args, options);
  const code = await daemon.ended;
  if (code !== 0) throw new Error(`${[command, ...args].join(" ")}: ended with ${code}\n${daemon.output()}`);
  return daemon.output();
}

/** Polls until `probe` gives something. @throws with `what` when `timeoutMs` have passed */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  probe: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await sleep(50);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}

/** Is the process there, and not a zombie? */
export function isAlive(pid: number): boolean {
  try {
    // proc(5): "pid (comm) state ..."; comm may hold spaces and parentheses.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !["Z", "X"].includes(stat.charAt(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}

/** @returns its program and arguments; none when it has ended */
export function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

/** @returns ids of all that were started with a path, or one below it, among their arguments */
export function processesNaming(path: string): number[] {
  const isBelow = (argument: string) => `${argument}/`.startsWith(`${path}/`);
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && commandLine(pid).some(isBelow));
}
