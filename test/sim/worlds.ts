/** The kinds of worlds, and what happens in them. */
import { managedPlanOf, planOf, type Plan } from "./plan.js";
import { rotPlanOf } from "./rot-plan.js";
import { witnessPlanOf } from "./witness-plan.js";

export const WORLDS = ["managed", "plain", "witness", "rot"] as const;
export type WorldName = (typeof WORLDS)[number];

const PLANS: Record<WorldName, (seed: number) => Plan> = {
  managed: managedPlanOf,
  plain: planOf,
  witness: witnessPlanOf,
  rot: rotPlanOf,
};

export function worldPlan(world: WorldName, seed: number): Plan {
  return PLANS[world](seed);
}
