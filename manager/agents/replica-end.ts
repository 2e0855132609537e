/** Whether a replica that is deleted may go, and its data with it. Pure. */
import type { EngineReport } from "../../proto/instance-manager.js";
import { isDeleted, type Resource } from "../objects/resource.js";
import { hasData } from "../volume/modes.js";
import { isWholeBeyondDoubt } from "../volume/replica-rules.js";
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

const STOPPED = new Set(["", "stopped"]);

/** It was decided by what was known then: another copy may have failed since. An engine gives up none that it needs. */
export function endOf(
  replica: Resource<"Replica">,
  { volume, engine, report, replicas }: Belongings,
): Exclude<End, "out of reach"> {
  if (volume === null || isDeleted(volume)) return "with its data";
  const isServed = engine !== null && !isOver(engine);
  if (isServed && isHeld(replica, engine, report)) return "later";
  if (isServed || !hasData(replica)) return "with its data";
  // What an engine that did not end in order has done last is not known.
  const isOrderly = engine === null || STOPPED.has(engine.status.currentState);
  const isLast = !replicas.some((one) => one !== replica && isWholeBeyondDoubt(one));
  return isLast || !isOrderly ? "without its data" : "with its data";
}

/** One that is beyond reach, and not wanted any more, is fenced by whoever comes after it. */
function isOver({ spec, status }: Resource<"Engine">): boolean {
  return STOPPED.has(status.currentState) || status.currentState === "error" || (status.currentState === "unknown" && spec.desireState === "stopped"); // prettier-ignore
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
