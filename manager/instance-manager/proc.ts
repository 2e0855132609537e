/** Processes by proc(5): which one a process id means. */
import { readdirSync, readFileSync } from "node:fs";

/** A process id is given again; with the start time and the boot it is one process for good. */
export interface ProcessId {
  pid: number;
  /** clock ticks since boot, as proc(5) has it */
  startTime: string;
  bootId: string;
}

/** Of /proc/PID/stat, behind the name, which may hold spaces and parentheses: fields 3, 6 and 22. */
const STATE_FIELD = 0;
const SESSION_FIELD = 3;
const START_TIME_FIELD = 19;

/** @returns null when there is no such process, or nothing but its exit code is left of it */
function statOf(pid: number): { session: number; startTime: string } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (["Z", "X"].includes(fields[STATE_FIELD] ?? "")) return null;
    return { session: Number(fields[SESSION_FIELD]), startTime: fields[START_TIME_FIELD] ?? "" };
  } catch {
    return null;
  }
}

/** @returns null when there is no such process, or nothing but its exit code is left of it */
export function startTimeOf(pid: number): string | null {
  return statOf(pid)?.startTime ?? null;
}

/** @param bootId the present one */
export function isAlive({ pid, startTime, bootId: itsBoot }: ProcessId, bootId: string): boolean {
  return itsBoot === bootId && startTimeOf(pid) === startTime;
}

/** Finds the leader of a session by a variable of its environment, which its children have as well: its starter may have
 * died before it could note the id. */
export function findByEnvironment(variable: string, value: string): number | null {
  const wanted = `${variable}=${value}`;
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!/^\d+$/.test(name) || statOf(pid)?.session !== pid) continue;
    try {
      if (readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(wanted)) return pid;
    } catch {
      // It has ended meanwhile, or is somebody else's.
    }
  }
  return null;
}
