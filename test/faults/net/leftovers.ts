/** Network namespaces of rigs that have died: their names hold the rig's pid. */
import { readdirSync } from "node:fs";
import { isAlive, run } from "../../tools/process.js";

const NAMES = "/run/netns";
const PATTERN = /^aurochs-(\d+)-/;

/** The name of a host's network namespace; @param tag tells networks of one rig apart */
export function namespaceName(tag: number, host: string): string {
  return `aurochs-${process.pid}-${tag}-${host}`;
}

/** Removes what dead rigs have left. Their processes have ended with them, see `HostProcess`. */
export async function removeLeftovers(): Promise<void> {
  for (const name of namespaces()) {
    const pid = Number(PATTERN.exec(name)?.[1] ?? 0);
    if (pid !== 0 && !isAlive(pid)) await run("ip", ["netns", "delete", name]).catch(() => undefined);
  }
}

function namespaces(): string[] {
  try {
    return readdirSync(NAMES);
  } catch {
    return []; // no namespace was ever made on this machine
  }
}
