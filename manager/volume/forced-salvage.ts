/** A volume whose engine does not start from what is there: somebody says that it is to start from one replica, which cannot be proved to be
 * current. What the others have is kept, as orphans. */
import { forgetAnnotation, type Resource } from "../objects/resource.js";
import type { Draft } from "./draft.js";
import { hasData } from "./modes.js";
import { forgetFailedStarts } from "./restart.js";

/** Of an engine: the name of the replica that it is to start from. */
const SALVAGED_FROM = "aurochs.io/salvaged-from";

/** Of a replica: the volume goes on without what it holds, and that is kept. */
const LEFT_BEHIND = "aurochs.io/left-behind";

export function forceSalvage(engine: Resource<"Engine">, { metadata }: Resource<"Replica">): void {
  engine.metadata.annotations[SALVAGED_FROM] = metadata.name;
  engine.spec.salvageRequested = true;
  forgetFailedStarts(engine);
}

/** What the engine may be started from. */
export function startable({ engine, replicas }: Draft): Resource<"Replica">[] {
  const source = engine === null ? undefined : sourceOf(engine);
  return source === undefined ? replicas : replicas.filter(({ metadata }) => metadata.name === source);
}

/** It serves, or nobody wants it any more. */
export function endSalvage(draft: Draft, engine: Resource<"Engine">): void {
  const source = sourceOf(engine);
  if (source === undefined) return;
  forgetAnnotation(engine.metadata, SALVAGED_FROM);
  engine.spec.salvageRequested = false;
  // Before that was asked for it may have been started with all of them.
  const isSalvaged =
    Object.keys(engine.spec.replicaAddressMap).join() === source && draft.inMode("RW").length > 0;
  if (!isSalvaged) return;
  const others = draft.replicas.filter((one) => one.metadata.name !== source && hasData(one));
  for (const { metadata } of others) metadata.annotations[LEFT_BEHIND] = "true";
  const kept = others.map(({ metadata }) => metadata.name).join(", ");
  draft.event("Warning", "Salvaged", `volume ${draft.volume.metadata.name} goes on with what ${source} has; what others have is left in their directories: ${kept === "" ? "none" : kept}`); // prettier-ignore
}

/** It was written down of them that their data stay: now they may go. */
export function giveUpLeftBehind(draft: Draft): void {
  for (const replica of draft.replicas.filter(isLeftBehind)) draft.delete(replica);
}

export function isLeftBehind({ metadata }: Resource<"Replica">): boolean {
  return metadata.annotations[LEFT_BEHIND] !== undefined;
}

function sourceOf({ metadata }: Resource<"Engine">): string | undefined {
  return metadata.annotations[SALVAGED_FROM];
}
