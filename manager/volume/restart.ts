/** When a replica is started again that failed. */
import type { Resource } from "../objects/resource.js";
import type { Draft } from "./draft.js";
import { parseTime } from "./time.js";

/** After so many rebuilds that failed, another replica is made in its place. */
export const REBUILD_TRIES_MAX = 5;

/** ms until a replica whose process ended is started again, doubled each time up to the last of those. */
const RESTART_MS = 5_000;

export function tryAgain(draft: Draft, { spec, status }: Resource<"Replica">): void {
  const tries = Math.min(spec.rebuildRetryCount, REBUILD_TRIES_MAX);
  const at = parseTime(spec.lastFailedAt) + (tries === 0 ? 0 : RESTART_MS * 2 ** tries);
  if (draft.world.now < at) draft.lookAgain(at);
  else if (status.currentState === "" || status.currentState === "stopped") spec.desireState = "running";
}
