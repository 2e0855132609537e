/** Wall clocks of processes that jump (`clock_jump.cc`). */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { compileTool } from "../../tools/compile.js";
import type { World } from "./world.js";

const OFFSET_BYTES = 8;

export interface Clock {
  /** @param seconds from the right time */
  jump(seconds: number): void;
}

/** Clocks that all of `processes` live by; before they are started. */
export async function makeClock(
  world: World,
  name: string,
  processes: { env: NodeJS.ProcessEnv }[],
): Promise<Clock> {
  const library = await compileTool("test/faults/world/clock_jump.cc", ["-shared", "-fPIC", "-ldl"]);
  const file = join(world.folder, `clock-${name}`);
  writeFileSync(file, Buffer.alloc(OFFSET_BYTES));
  // In place: it is mapped.
  const jump = (seconds: number): void => {
    const bytes = Buffer.alloc(OFFSET_BYTES);
    bytes.writeBigInt64LE(BigInt(seconds));
    const fd = openSync(file, "r+");
    writeSync(fd, bytes, 0, OFFSET_BYTES, 0);
    closeSync(fd);
  };
  for (const process of processes) process.env = { LD_PRELOAD: library, AUROCHS_CLOCK_OFFSET: file };
  return { jump };
}
