/** Unmounting what a process had open that was just killed: the kernel closes its last files a moment after it is gone. */
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "./process.js";

const TRIES_MAX = 50;
const PAUSE_MS = 100;

/** @throws when it is still busy after seconds, with who holds it: somebody lives, or has a mount namespace with a copy of what
 * is mounted on it */
export async function unmount(path: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await run("umount", [path]);
      return;
    } catch (error) {
      if (!(error as Error).message.includes("target is busy")) throw error;
      if (tries === TRIES_MAX)
        throw new Error(`${path} is busy: ${holders(path).join("; ")}`, { cause: error });
      await sleep(PAUSE_MS);
    }
  }
}

/** Processes with a file open below `path`, and those of other mount namespaces that know of it. */
function holders(path: string): string[] {
  const own = readlinkSync("/proc/self/ns/mnt");
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const links = [
        `/proc/${pid}/cwd`,
        ...readdirSync(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`),
      ];
      const opens = links.map((link) => readlinkSync(link)).filter((target) => target.startsWith(path));
      const elsewhere = readlinkSync(`/proc/${pid}/ns/mnt`) !== own;
      const mounts = elsewhere && readFileSync(`/proc/${pid}/mountinfo`, "latin1").includes(path);
      if (opens.length > 0 || mounts)
        found.push(
          `${pid} (${readFileSync(`/proc/${pid}/comm`, "latin1").trim()}) ${mounts ? "has it mounted" : opens.join(" ")}`,
        );
    } catch {
      // It has just ended, or is not to be looked at.
    }
  }
  return found;
}
