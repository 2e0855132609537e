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
  for (const replica of [...draft.replicas]) draft.delete(replica);
  if (draft.witness !== null) draft.delete(draft.witness);
  if (world.replicas.length > 0 || world.witness !== null) return;
  volume.metadata.finalizers = withoutOurs(volume.metadata);
}
