/** Conditions of objects: each says of one thing whether it is so, and since when. */
import type { Condition } from "./fields.js";

export function isTrue(conditions: readonly Condition[], type: string): boolean {
  return conditions.some((condition) => condition.type === type && condition.status === "True");
}

export function isFalse(conditions: readonly Condition[], type: string): boolean {
  return conditions.some((condition) => condition.type === type && condition.status === "False");
}

/** A condition as it is now, with the time since which it has this status. */
export function dated(
  condition: Pick<Condition, "type" | "status" | "reason" | "message">,
  before: readonly Condition[],
  now: string,
): Condition {
  const was = before.find(({ type }) => type === condition.type);
  const lastTransitionTime = was?.status === condition.status ? was.lastTransitionTime : now;
  return { ...condition, lastProbeTime: "", lastTransitionTime };
}
