/**
 * A volume whose engine could not be started: somebody says that it is to start from one replica, whether or not that can be
 * proved to be current. The others are left behind: used no more, unless they are named in their turn, and gone when the engine
 * serves, but for their directories.
 */
import { forgetAnnotation, type Resource } from "../objects/resource.js";
import type { Draft } from "./draft.js";
import { fail } from "./modes.js";
import { forgetFailedStarts } from "./restart.js";

/** Of an engine: the name of the replica that it is to start from. */
const SALVAGED_FROM = "aurochs.io/salvaged-from";

/** Of a replica: its volume was started without what it holds, and that is kept. */
const LEFT_BEHIND = "aurochs.io/left-behind";

export function forceSalvage(engine: Resource<"Engine">, source: string): void {
  engine.metadata.annotations[SALVAGED_FROM] = source;
  forgetFailedStarts(engine);
}

export function isBeingSalvaged({ metadata }: Resource<"Engine">): boolean {
  return metadata.annotations[SALVAGED_FROM] !== undefined;
}

/** It serves, or nobody wants it any more. */
export function endSalvage({ metadata, spec }: Resource<"Engine">): void {
  forgetAnnotation(metadata, SALVAGED_FROM);
  spec.salvageRequested = false;
}

/** Somebody has named it. */
export function countAgain({ metadata, spec }: Resource<"Replica">): void {
  forgetAnnotation(metadata, LEFT_BEHIND);
  spec.failedAt = "";
}

export function isLeftBehind({ metadata }: Resource<"Replica">): boolean {
  return metadata.annotations[LEFT_BEHIND] !== undefined;
}

/** What the engine may be started from. */
export function startable(draft: Draft): Resource<"Replica">[] {
  const source = sourceOf(draft);
  return source === undefined ? draft.replicas.filter((replica) => !isLeftBehind(replica)) : [source];
}

/** The engine is about to be started.
 * @returns whether from a replica that was named: then the others are left behind as of now, whatever becomes of that */
export function leaveOthers(draft: Draft): boolean {
  const source = sourceOf(draft);
  if (source === undefined) return false;
  for (const replica of draft.replicas.filter((one) => one !== source)) {
    replica.metadata.annotations[LEFT_BEHIND] = "true";
    replica.spec.desireState = "stopped";
    fail(draft, replica);
  }
  return true;
}

export function giveUpLeftBehind(draft: Draft): void {
  const { metadata, status } = draft.volume;
  const left = draft.replicas.filter(isLeftBehind);
  if (left.length === 0 || status.state !== "attached" || draft.inMode("RW").length === 0) return;
  for (const replica of left) draft.delete(replica);
  const names = left.map((replica) => replica.metadata.name).join(", ");
  draft.event("Warning", "Salvaged", `volume ${metadata.name} goes on without what ${names} have: their directories are left`); // prettier-ignore
}

function sourceOf({ engine, replicas }: Draft): Resource<"Replica"> | undefined {
  const name = engine?.metadata.annotations[SALVAGED_FROM];
  return replicas.find(({ metadata }) => metadata.name === name);
}
