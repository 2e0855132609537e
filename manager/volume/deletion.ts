/** A volume goes: the engine, then the replicas with their data, then its own object. */
import { isDeleted, withoutOurs } from "../objects/resource.js";
import type { Draft } from "./draft.js";

export function remove(draft: Draft): void {
  const { volume, world } = draft;
  volume.status.state = "deleting";
  if (world.engine !== null) {
    if (!isDeleted(world.engine)) draft.delete(world.engine);
    return;
  }
  for (const replica of [...draft.replicas, ...draft.leftBehind]) draft.delete(replica);
  for (const witness of [...draft.witnesses]) draft.delete(witness);
  if (world.replicas.length > 0 || world.witnesses.length > 0) return;
  volume.metadata.finalizers = withoutOurs(volume.metadata);
}
