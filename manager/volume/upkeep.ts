/**
 * What a volume that nobody uses has to be attached for: it has to grow, to leave a disk, to give up a copy, or to get back those that it lacks.
 * Where nothing could be done about it, it stays detached. Facts: manager.md sections 3, 4.3, 7 and 11.
 */
import type { Resource } from "../objects/resource.js";
import { place } from "../schedule/place.js";
import { isCloning } from "./cloning.js";
import type { Draft } from "./draft.js";
import { isOn } from "./engine-wishes.js";
import { isSalvaging } from "./forced-salvage.js";
import { hasData, hasFailed, isWhole } from "./modes.js";
import { mayComeBack, takenBy, tellEvictionFailed, want } from "./replicas.js";

export type Upkeep =
  "volume-expansion-controller" | "volume-eviction-controller" | "volume-rebuilding-controller";

const NEEDED: Record<Upkeep, (draft: Draft) => boolean> = {
  "volume-expansion-controller": ({ volume }) => volume.status.expansionRequired,
  "volume-eviction-controller": (draft) => needsRemoval(draft) || needsEviction(draft),
  "volume-rebuilding-controller": needsRebuild,
};

export const UPKEEPS = Object.keys(NEEDED) as Upkeep[];

/** @returns types of tickets; one that is held stays until its work is done, a new one is for volumes that are detached */
export function upkeepOf(draft: Draft): Upkeep[] {
  const { status, spec } = draft.volume;
  if (status.robustness === "faulted" || spec.Standby || status.restoreRequired || isCloning(draft.volume))
    return [];
  // Until a salvage has come to its end others may be named.
  const isIdle = status.state === "detached" && !isSalvaging(draft.volume) && draft.replicas.some(isWhole);
  return UPKEEPS.filter((type) => (isIdle || draft.world.held.has(type)) && NEEDED[type](draft));
}

/** While a copy is away an engine may not start, and the volume would be kept from a salvage: it waits for that, or for who uses it next. What
 * is made in the place of a copy that was removed is not broken off either. */
function needsRemoval(draft: Draft): boolean {
  const { going, replicas } = draft;
  const areThere = [...going, ...replicas.filter(isWhole)].every((replica) => draft.isThere(replica));
  const isHeld = draft.world.held.has("volume-eviction-controller");
  return (going.length > 0 && areThere) || (isHeld && (draft.created.length > 0 || isGaining(draft)));
}

function needsEviction(draft: Draft): boolean {
  const whole = draft.replicas.filter(isWhole);
  if (!whole.some(({ spec }) => spec.evictionRequested)) return false;
  if (whole.length > draft.volume.spec.numberOfReplicas || canGain(draft, whole)) return true;
  const found = place(draft.world.cluster, want(draft, whole.map(takenBy), ""));
  // While it is attached, it is told where the place was looked for.
  if (!found.placed && draft.volume.status.state === "detached") tellEvictionFailed(draft, found);
  return false;
}

function needsRebuild(draft: Draft): boolean {
  const { settings, volume } = draft;
  if (!isOn(volume.spec.offlineRebuilding, settings.flag("offline-replica-rebuilding"))) return false;
  const whole = draft.replicas.filter(isWhole);
  if (whole.length >= volume.spec.numberOfReplicas) return false;
  const comesBack = draft.replicas.some(
    (replica) => hasFailed(replica) && mayComeBack(replica) && draft.isThere(replica),
  );
  return mayRebuild(draft) && (comesBack || canGain(draft, whole));
}

/** One is being made already, or there is a place for one. */
function canGain(draft: Draft, whole: readonly Resource<"Replica">[]): boolean {
  if (!mayRebuild(draft)) return false;
  if (draft.created.length > 0) return true;
  if (isGaining(draft)) return true;
  return place(draft.world.cluster, want(draft, whole.map(takenBy), "")).placed;
}

function isGaining({ replicas }: Draft): boolean {
  return replicas.some((replica) => !hasData(replica) && !hasFailed(replica));
}

function mayRebuild({ settings }: Draft): boolean {
  return settings.number("concurrent-replica-rebuild-per-node-limit") > 0;
}
