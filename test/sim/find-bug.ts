/** How soon a deliberate bug is found: seeds are run with it until one fails. */
import type { Bug } from "./bug.js";
import { play } from "./play.js";
import { worldPlan } from "./worlds.js";

/** More than it takes to find any of them, several times over. */
const SEEDS_MAX = 300;

/** @returns whether it was found */
export async function find({ name, world, check, install }: Bug): Promise<boolean> {
  const began = process.cpuUsage();
  const remove = install();
  try {
    for (let seed = 1; seed <= SEEDS_MAX; seed++) {
      const { failure } = await (check?.(seed) ?? play(worldPlan(world ?? "plain", seed)));
      if (failure === null) continue;
      const seconds = process.cpuUsage(began).user / 1e6;
      console.log(
        `ok - ${name}: SEED=${seed}, after ${seconds.toFixed(1)} s: ${failure.message.slice(0, 100)}`,
      );
      return true;
    }
    console.log(`not ok - ${name}: not found by ${SEEDS_MAX} seeds`);
    return false;
  } finally {
    remove();
  }
}
