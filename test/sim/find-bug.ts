/** How soon a deliberate bug is found: seeds are run with it until one fails. */
import type { Bug } from "./bug.js";
import { play } from "./play.js";
import type { Plan } from "./plan.js";
import { worldPlan } from "./worlds.js";

/** More than it takes to find any of them, several times over. */
const SEEDS_MAX = 300;

/** What is looked for where. */
export interface Where {
  /** one alone; null: all, from the first on */
  seed: number | null;
  /** in the place of what seeds lead to */
  plan: Plan | null;
  /** Tells of what has failed, while the bug is there. */
  onFound: (plan: Plan, failure: Error) => Promise<void>;
}

const ANYWHERE: Where = { seed: null, plan: null, onFound: () => Promise.resolve() };

/** @returns whether it was found */
export async function find(bug: Bug, { seed: one, plan, onFound }: Where = ANYWHERE): Promise<boolean> {
  const { name, check, install } = bug;
  const began = process.cpuUsage();
  const remove = install();
  const [first, last] = plan !== null ? [plan.seed, plan.seed] : [one ?? 1, one ?? SEEDS_MAX];
  try {
    for (let seed = first; seed <= last; seed++) {
      const played = plan ?? (check === undefined ? planOf(bug, seed) : null);
      const { failure } = (await (played !== null ? play(played) : check?.(seed))) ?? { failure: null };
      if (failure === null) continue;
      const seconds = process.cpuUsage(began).user / 1e6;
      console.log(
        `ok - ${name}: SEED=${seed}, after ${seconds.toFixed(1)} s: ${failure.message.slice(0, 100)}`,
      );
      if (played !== null) await onFound(played, failure);
      return true;
    }
    console.log(`not ok - ${name}: not found by ${first === last ? `seed ${first}` : `${SEEDS_MAX} seeds`}`);
    return false;
  } finally {
    remove();
  }
}

function planOf({ world, plan }: Bug, seed: number): Plan {
  return plan?.(seed) ?? worldPlan(world ?? "plain", seed);
}
