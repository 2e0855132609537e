/** Conditions of objects: each says of one thing whether it is so, and since when. */
import type { Condition } from "./fields.js";

export function isTrue(conditions: readonly Condition[], type: string): boolean {
  return conditions.some((condition) => condition.type === type && condition.status === "True");
}

export function isFalse(conditions: readonly Condition[], type: string): boolean {
  return conditions.some((condition) => condition.type === type && condition.status === "False");
}

/** Of engines and volumes: one copy and the witness are enough to go on with. One of our own. Its message says where the witness is,
 * `ip:port`, of voters with commas between them, or why that is not so. */
export const WITNESSED = "Witnessed";

type Undated = Pick<Condition, "type" | "status" | "reason" | "message">;

export function without(conditions: readonly Condition[], type: string): Condition[] {
  return conditions.filter((condition) => condition.type !== type);
}

/** The conditions with one of them as it is now. @param now RFC 3339 */
export function noted(condition: Undated, before: readonly Condition[], now: string): Condition[] {
  return [...without(before, condition.type), dated(condition, before, now)];
}

/** A condition as it is now, with the time since which it has this status. */
export function dated(condition: Undated, before: readonly Condition[], now: string): Condition {
  const was = before.find(({ type }) => type === condition.type);
  const lastTransitionTime = was?.status === condition.status ? was.lastTransitionTime : now;
  return { ...condition, lastProbeTime: "", lastTransitionTime };
}
