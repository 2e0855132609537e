/**
 * A whole copy that is deleted. No engine starts without it unless one has recorded that it went on without it: until then it is
 * given to engines as before, and its volume is attached for it if nobody uses it. Pure.
 */
import type { Resource } from "../objects/resource.js";
import { isKept } from "./forced-salvage.js";
import { isWhole } from "./modes.js";

/** @param replica one that is deleted */
export function isToBeRecorded(replica: Resource<"Replica">, volume: Resource<"Volume">): boolean {
  return isWhole(replica) && !isKept(replica, volume);
}
