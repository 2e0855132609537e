/** Work that is split between processes, all of them this program with the same options and `--job K/N`. */
import { fork, type ChildProcess } from "node:child_process";

/** @returns whether this process does a part of another one's work */
export function isPart(): boolean {
  return process.send !== undefined;
}

/** Tells the process that split the work. */
export function report(message: object): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, undefined, {}, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** Until all have ended, or one has failed, and with it all others.
 * @param onReport what one of them has reported
 * @returns whether none has failed */
export async function inProcesses(jobs: number, onReport: (message: object) => void): Promise<boolean> {
  const [program = "", ...options] = process.argv.slice(1);
  const parts: ChildProcess[] = [];
  const ends = Array.from({ length: jobs }, (_, job) => {
    const part = fork(program, [...options, "--job", `${job + 1}/${jobs}`]);
    parts.push(part);
    part.on("message", (message) => onReport(message as object));
    return new Promise<boolean>((resolve) => {
      part.on("exit", (code) => {
        if (code !== 0) for (const other of parts) if (other !== part) other.kill();
        resolve(code === 0);
      });
    });
  });
  return (await Promise.all(ends)).every(Boolean);
}
