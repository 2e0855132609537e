/** A limit on a process's memory that the kernel enforces by killing it: a cgroup of the rig's own. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import type { HostProcess } from "./host-process.js";
import type { World } from "./world.js";

const V1 = "/sys/fs/cgroup/memory";
const V2 = "/sys/fs/cgroup";
/** bytes: what it has already is not counted; it has not got far with this much more */
const ROOM = 1 << 20;

/** Where this machine lets us make neither kind of cgroup it is SIGKILL, which is what the kernel would do; the report says so. */
export async function runOutOfMemory(world: World, process: HostProcess): Promise<void> {
  const isV1 = existsSync(`${V1}/memory.limit_in_bytes`);
  const group = `${isV1 ? V1 : V2}/aurochs-faults-${process.pid}`;
  try {
    mkdirSync(group);
    world.finally(() => {
      rmdirSync(group);
      return Promise.resolve();
    });
    writeFileSync(`${group}/cgroup.procs`, String(process.pid));
    writeFileSync(`${group}/memory.${isV1 ? "limit_in_bytes" : "max"}`, String(ROOM));
  } catch (error) {
    const { message } = error as Error;
    world.notes.push(
      `killed by SIGKILL, not for want of memory: there is no cgroup for it here (${message})`,
    );
    await process.kill();
    return;
  }
  await process.ended();
  world.struck("the kernel found no memory for it", refusals(group, isV1) > 0);
}

/** How often the kernel could not give more: `memory.failcnt` of v1, `max` in `memory.events` of v2. */
function refusals(group: string, isV1: boolean): number {
  if (isV1) return Number(readFileSync(`${group}/memory.failcnt`, "utf8"));
  return Number(/^max (\d+)$/m.exec(readFileSync(`${group}/memory.events`, "utf8"))?.[1] ?? 0);
}
