/** Unmounting what a process had open that was just killed: the kernel closes its last files a moment after it is gone. */
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "./process.js";

const TRIES_MAX = 50;
const PAUSE_MS = 100;

/** @throws when it is still busy after seconds: then somebody lives */
export async function unmount(path: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await run("umount", [path]);
      return;
    } catch (error) {
      if (tries === TRIES_MAX || !(error as Error).message.includes("target is busy")) throw error;
      await sleep(PAUSE_MS);
    }
  }
}
