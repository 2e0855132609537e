/** Runs one program to its end or its time limit, and leaves nothing of it behind. */
import { spawn } from "node:child_process";
import { createWriteStream, readdirSync, readFileSync } from "node:fs";
import { finished } from "node:stream/promises";

export interface CommandResult {
  output: string;
  /** 128 + signal number style codes are not used: a signal or the time limit is -1 */
  exitCode: number;
  timedOut: boolean;
}

/** How long a program may take to clean up after SIGTERM. */
const GRACE_MS = 10_000;

const running = new Set<number>();

/** Ends what runs. */
export async function endCommands(): Promise<void> {
  await Promise.all([...running].map(endTree));
}

/** @param logPath gets stdout and stderr while they come */
export async function runCommand(
  argv: readonly [string, ...string[]],
  options: { timeoutMs: number; logPath: string; env: NodeJS.ProcessEnv },
): Promise<CommandResult> {
  const log = createWriteStream(options.logPath);
  const chunks: Buffer[] = [];
  const child = spawn(argv[0], argv.slice(1), {
    stdio: ["ignore", "pipe", "pipe"],
    env: options.env,
    detached: true,
  });
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      log.write(chunk);
    });

  let timedOut = false as boolean; // TypeScript does not see the timer set it
  const limit = setTimeout(() => {
    timedOut = true;
    if (child.pid !== undefined) void endTree(child.pid);
  }, options.timeoutMs);
  if (child.pid !== undefined) running.add(child.pid);

  const exitCode = await new Promise<number>((resolve) => {
    child.once("error", (error) => {
      chunks.push(Buffer.from(`${error.message}\n`));
      resolve(-1);
    });
    child.once("close", (code) => resolve(code ?? -1));
  });
  clearTimeout(limit);
  if (child.pid !== undefined) running.delete(child.pid);
  log.end();
  await finished(log);
  return { output: Buffer.concat(chunks).toString(), exitCode: timedOut ? -1 : exitCode, timedOut };
}

/** Ends a process and all that it started, including what has a process group of its own. */
async function endTree(root: number): Promise<void> {
  const pids = descendants(root);
  signalAll(pids, "SIGTERM");
  const deadline = Date.now() + GRACE_MS;
  while (Date.now() < deadline && pids.some(isAlive)) await new Promise((wake) => setTimeout(wake, 100));
  signalAll(pids, "SIGKILL");
}

function signalAll(pids: number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended by itself meanwhile.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      // proc(5): "pid (comm) state ppid ..."; comm may hold spaces and parentheses.
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    } catch {
      // It has ended while we looked.
    }
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}
