/** The kinds of worlds, and what happens in them. */
import { managedPlanOf, planOf, withRestores, type Plan } from "./plan.js";
import { rotPlanOf } from "./rot-plan.js";
import { voterPlanOf, witnessPlanOf } from "./witness-plan.js";

export const WORLDS = ["managed", "plain", "witness", "voters", "rot"] as const;
export type WorldName = (typeof WORLDS)[number];

const PLANS: Record<WorldName, (seed: number) => Plan> = {
  managed: managedPlanOf,
  plain: (seed) => withRestores(planOf(seed)),
  witness: (seed) => withRestores(witnessPlanOf(seed)),
  voters: (seed) => withRestores(voterPlanOf(seed)),
  rot: rotPlanOf,
};

export function worldPlan(world: WorldName, seed: number): Plan {
  return PLANS[world](seed);
}
