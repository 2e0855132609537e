/** Whether a replica that is deleted may go, and its data with it. Pure. */
import type { EngineReport } from "../../proto/instance-manager.js";
import { isDeleted, type Resource } from "../objects/resource.js";
import { isKept } from "../volume/forced-salvage.js";
import { hasData, hasEnded } from "../volume/modes.js";
import { isToBeRecorded } from "../volume/removal.js";
import { isWholeBeyondDoubt } from "../volume/replica-rules.js";
import { hasEndedBadly } from "../volume/restart.js";
import { replicasOf } from "./engine-status.js";

/** What it belongs to. */
export interface Belongings {
  volume: Resource<"Volume"> | null;
  engine: Resource<"Engine"> | null;
  /** what the engine tells now; undefined: nothing */
  report: EngineReport | undefined;
  /** all replicas of the volume */
  replicas: readonly Resource<"Replica">[];
}

/** `later`: its engine has not let it go; `out of reach`: of its process and directory nothing is known */
export type End = "later" | "out of reach" | "with its data" | "without its data";

/** An engine serves, did so a moment ago, or is about to. */
const IN_USE = new Set(["attaching", "attached", "detaching"]);

/** It was decided by what was known then: another copy may have failed since. An engine gives up none that it needs. */
export function endOf(
  replica: Resource<"Replica">,
  { volume, engine, report, replicas }: Belongings,
): Exclude<End, "out of reach"> {
  if (volume === null || isDeleted(volume)) return "with its data";
  if (isKept(replica, volume)) return "without its data";
  if (engine !== null && !isOver(engine)) return isHeld(replica, engine, report) ? "later" : "with its data";
  // Also one that was never seen whole may have become so just before.
  const isUnknown = engine !== null && hasEndedBadly(engine);
  if (!hasData(replica) && !isUnknown) return "with its data";
  if (IN_USE.has(volume.status.state)) return "later";
  const isLast = !replicas.some((one) => one !== replica && isWholeBeyondDoubt(one));
  if (!isLast && isToBeRecorded(replica, volume)) return "later";
  return isLast || isUnknown ? "without its data" : "with its data";
}

/** One that is beyond reach, and not wanted any more, is fenced by whoever comes after it. */
function isOver(engine: Resource<"Engine">): boolean {
  const { spec, status } = engine;
  return hasEnded(engine) || (status.currentState === "unknown" && spec.desireState === "stopped");
}

/** It goes on with others alone. Without any it waits for its last copy, whichever that is. */
function isHeld(
  { metadata }: Resource<"Replica">,
  { spec, status }: Resource<"Engine">,
  report: EngineReport | undefined,
): boolean {
  if (report?.uuid !== status.uuid) return true;
  const others = Object.entries(spec.replicaAddressMap).flatMap(([name, address]) =>
    name === metadata.name ? [] : [address],
  );
  const whole = replicasOf(report).filter(({ mode }) => mode === "RW");
  return whole.length === 0 || !whole.every(({ address }) => others.includes(address));
}
