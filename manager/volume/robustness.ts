/** How many whole copies a volume has, and what is done when none is left that can be used. */
import type { Resource } from "../objects/resource.js";
import { wantedReplicas } from "./cloning.js";
import type { Draft } from "./draft.js";
import { hasData, hasFailed, hasLostAll } from "./modes.js";
import { parseTime } from "./time.js";

/** ms between failures that count as one: whoever failed long before the last one is behind it. */
const SAME_FAILURE_MS = 60_000;

export function judge(draft: Draft): void {
  const { volume, engine } = draft;
  const { status } = volume;
  if (status.state === "attached" && engine !== null) judgeAttached(draft, engine);
  else if (isLost(draft)) {
    set(draft, "faulted", "Warning", hasLostAll(draft) ? `: ${LOST_ALL}` : "");
    salvage(draft);
  } else if (status.state === "detached" && status.robustness === "faulted" && isSalvaged(draft))
    status.robustness = "unknown";
}

function judgeAttached(draft: Draft, engine: Resource<"Engine">): void {
  const { volume } = draft;
  if (engine.status.currentState === "unknown") {
    set(draft, "unknown", "Warning");
    return;
  }
  if (engine.status.currentState !== "running") return;
  const whole = draft.inMode("RW").length;
  // Without any the engine waits for the last one, and nothing has changed for its users.
  if (!draft.isReadable) return;
  const isHealthy = whole >= wantedReplicas(volume);
  if (isHealthy) volume.status.lastDegradedAt = "";
  else if (volume.status.lastDegradedAt === "") volume.status.lastDegradedAt = draft.now;
  set(draft, isHealthy ? "healthy" : "degraded", "Normal");
}

/** New ones would be empty, and be taken for it. */
const LOST_ALL = "it has data, and no replica with them is known any more; none is made in their place";

const REASONS: Readonly<Record<string, string>> = {
  healthy: "Healthy",
  degraded: "Degraded",
  unknown: "Unknown",
  faulted: "Faulted",
};

/** @param because behind what is told */
function set(draft: Draft, robustness: string, type: "Normal" | "Warning", because = ""): void {
  const { status, metadata } = draft.volume;
  if (status.robustness === robustness) return;
  status.robustness = robustness;
  draft.event(type, REASONS[robustness] ?? "", `volume ${metadata.name} became ${robustness}${because}`);
}

/** There were data, and no replica with them is counted on any more. One that is to go is until an engine serves without it. */
function isLost(draft: Draft): boolean {
  if (draft.going.length > 0) return false;
  if (hasLostAll(draft)) return true;
  const withData = draft.replicas.filter(hasData);
  return withData.length > 0 && withData.every(hasFailed);
}

/** Somebody has named replicas that are to count again. */
function isSalvaged({ replicas }: Draft): boolean {
  return replicas.some((replica) => hasData(replica) && !hasFailed(replica));
}

/** Those that failed last are tried again. It is still the engine that decides by their records which of them is current. */
function salvage(draft: Draft): void {
  const { volume, settings } = draft;
  const { status, metadata } = volume;
  if (status.state !== "detached" || !settings.flag("auto-salvage")) return;
  const failed = draft.replicas.filter((replica) => hasData(replica) && hasFailed(replica));
  const latest = Math.max(...failed.map(({ spec }) => parseTime(spec.failedAt)));
  const chosen = failed.filter(
    ({ spec }) =>
      draft.world.reachable.has(spec.nodeID) && latest - parseTime(spec.failedAt) <= SAME_FAILURE_MS,
  );
  if (chosen.length === 0) return;
  for (const { spec } of chosen) spec.failedAt = "";
  status.robustness = "unknown";
  const names = chosen.map((replica) => replica.metadata.name).join(", ");
  draft.event("Warning", "AutoSalvaged", `volume ${metadata.name} is tried again with ${names}`);
}
