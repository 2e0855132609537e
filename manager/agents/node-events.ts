/** What is told of a node and its disks when their conditions turn: the reason is the condition's type. Pure. Facts: manager.md
 * section 21. */
import type { NewEvent } from "../events/events.js";
import type { Condition } from "../objects/fields.js";
import type { Resource } from "../objects/resource.js";
import { FOLLOWS } from "./node-status.js";

type Told = Pick<NewEvent, "type" | "reason" | "message">;
type Status = Pick<Resource<"Node">["status"], "conditions" | "diskStatus">;

/** @param before as it was when that was told of last */
export function nodeEvents(name: string, status: Status, before: Status): Told[] {
  const told = turned(`node ${name}`, "Ready", status.conditions, before.conditions);
  for (const [disk, { conditions }] of Object.entries(status.diskStatus)) {
    const was = before.diskStatus[disk]?.conditions ?? [];
    for (const type of ["Ready", "Schedulable"])
      told.push(...turned(`disk ${disk} of node ${name}`, type, conditions, was));
  }
  return told;
}

function turned(
  what: string,
  type: string,
  conditions: readonly Condition[],
  before: readonly Condition[],
): Told[] {
  const now = conditions.find((one) => one.type === type);
  const was = before.find((one) => one.type === type);
  if (!isKnown(now) || (isKnown(was) && now.status === was.status)) return [];
  const is = now.status === "True";
  const word = type.toLowerCase();
  const message = is ? `${what} is ${word}` : `${what} is not ${word}: ${[now.reason, now.message].filter((text) => text !== "").join(", ")}`; // prettier-ignore
  return [{ type: is ? "Normal" : "Warning", reason: type, message }];
}

/** One that is so only because of the node, or because the disk is not ready, is told with those. */
function isKnown(condition: Condition | undefined): condition is Condition {
  return condition !== undefined && condition.status !== "Unknown" && !FOLLOWS.has(condition.reason);
}
