/**
 * A volume is had from one replica that cannot be proved to be current, since somebody says so. That is said and done while
 * nothing of the volume runs: every other replica is marked as left behind, and no rule sees it any more, before an engine is
 * started. Once that serves they go, but for their directories. Until then any of them may be named in its turn.
 */
import { forgetAnnotation, isDeleted, type Resource } from "../objects/resource.js";
import type { Draft } from "./draft.js";
import { fail } from "./modes.js";
import { forgetFailedStarts } from "./restart.js";

/** Of a volume: the name of the replica that it is to be had from. */
const SALVAGED_FROM = "aurochs.io/salvaged-from";

/** Of a replica: its volume goes on without what it holds, and that is kept. */
const LEFT_BEHIND = "aurochs.io/left-behind";

export function salvageFrom(volume: Resource<"Volume">, replica: string): void {
  volume.metadata.annotations[SALVAGED_FROM] = replica;
}

export function isSalvaging(volume: Resource<"Volume">): boolean {
  return sourceOf(volume) !== undefined;
}

export function isLeftBehind({ metadata }: Resource<"Replica">): boolean {
  return metadata.annotations[LEFT_BEHIND] !== undefined;
}

/** Whether a rule may do something with the replica, or start something from it. */
export function counts(replica: Resource<"Replica">, volume: Resource<"Volume">): boolean {
  return !isLeftBehind(replica) || replica.metadata.name === sourceOf(volume);
}

/** Its data stay where they are, also if it was about to go when another one was named. */
export function isKept(replica: Resource<"Replica">, volume: Resource<"Volume">): boolean {
  const source = sourceOf(volume);
  return isLeftBehind(replica) || (source !== undefined && replica.metadata.name !== source);
}

/** Also those that are going already: it was decided when others were thought to be whole. */
export function leaveOthers(draft: Draft): void {
  const { volume, engine, replicas, world } = draft;
  if (!isSalvaging(volume) || volume.status.state !== "detached") return;
  const source = replicas.find(({ metadata }) => metadata.name === sourceOf(volume));
  if (source === undefined) {
    forgetAnnotation(volume.metadata, SALVAGED_FROM);
    return;
  }
  forgetAnnotation(source.metadata, LEFT_BEHIND);
  if (engine !== null) forgetFailedStarts(engine);
  const going = structuredClone(world.replicas.filter((one) => isDeleted(one) && !isLeftBehind(one)));
  for (const replica of [...replicas, ...going]) {
    if (replica === source) continue;
    replica.metadata.annotations[LEFT_BEHIND] = "true";
    replica.spec.desireState = "stopped";
    fail(draft, replica);
    draft.leave(replica);
  }
}

/** It serves: what it was not started from is given up. */
export function endSalvage(draft: Draft): void {
  const { volume, engine, leftBehind } = draft;
  if (engine === null || volume.status.state !== "attached" || draft.inMode("RW").length === 0) return;
  forgetAnnotation(volume.metadata, SALVAGED_FROM);
  engine.spec.salvageRequested = false;
  if (leftBehind.length === 0) return;
  const names = leftBehind.map(({ metadata }) => metadata.name).join(", ");
  for (const replica of leftBehind) draft.delete(replica);
  draft.event("Warning", "Salvaged", `volume ${volume.metadata.name} goes on without what ${names} have: their directories are left`); // prettier-ignore
}

function sourceOf({ metadata }: Resource<"Volume">): string | undefined {
  return metadata.annotations[SALVAGED_FROM];
}
