/** Private memory of a process (USS). */
import { readFile } from "node:fs/promises";

/**
 * @returns bytes that would be free if the process ended
 * @throws {Error} when there is no such process, or it is not ours to look at
 */
export async function privateBytes(pid: number): Promise<number> {
  return privateBytesOf(await readFile(`/proc/${pid}/smaps_rollup`, "utf8"));
}

/** @param rollup text of /proc/PID/smaps_rollup (proc(5)): amounts in kB, which are KiB */
export function privateBytesOf(rollup: string): number {
  let kibibytes = 0;
  for (const [, amount] of rollup.matchAll(/^Private_(?:Clean|Dirty|Hugetlb):\s+(\d+) kB$/gm)) {
    kibibytes += Number(amount);
  }
  return kibibytes * 1024;
}
