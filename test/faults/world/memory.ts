/** A limit on a process's memory that the kernel enforces by killing it: a cgroup of the rig's own. */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import type { HostProcess } from "./host-process.js";
import type { World } from "./world.js";

const V1 = "/sys/fs/cgroup/memory";
const V2 = "/sys/fs/cgroup";

/** Where this machine has neither kind of cgroup it is SIGKILL, which is what the kernel would do. */
export async function runOutOfMemory(world: World, process: HostProcess): Promise<void> {
  const isV1 = existsSync(`${V1}/memory.limit_in_bytes`);
  const root = isV1 ? V1 : V2;
  const group = `${root}/aurochs-faults-${process.pid}`;
  try {
    mkdirSync(group);
  } catch {
    await process.kill();
    return;
  }
  world.finally(() => {
    rmdirSync(group);
    return Promise.resolve();
  });
  writeFileSync(`${group}/cgroup.procs`, String(process.pid));
  // What it has already is not counted; it has not got far with this much more.
  writeFileSync(`${group}/memory.${isV1 ? "limit_in_bytes" : "max"}`, String(1 << 20));
  await process.ended();
}
