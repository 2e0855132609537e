/** Snapshots, as the API shows them: those of an engine, and the objects that stand for them. Pure. */
import { isDeleted, type Resource } from "../../objects/resource.js";
import type { EngineSnapshot } from "../../operations.js";
import { snapshotName } from "../../snapshot/name.js";
import type { Item } from "../http/envelope.js";

/** @param snapshot of an engine, `volume-head` included
 * @param checksum of its data, "" when it is not known */
export function snapshotToResource(snapshot: EngineSnapshot, checksum: string): Item<"snapshot"> {
  const { name, parent, children, removed, usercreated, created, size, labels } = snapshot;
  return {
    type: "snapshot",
    id: name,
    actions: [],
    body: { name, parent, children, removed, usercreated, created, size, labels, checksum },
  };
}

export function snapshotObjectToResource(object: Resource<"Snapshot">): Item<"snapshotCR"> {
  const { metadata, spec, status } = object;
  const name = snapshotName(object);
  const hasOwnLabels = Object.keys(spec.labels).length > 0;
  return {
    type: "snapshotCR",
    id: name,
    actions: [],
    body: {
      name,
      volume: spec.volume,
      createSnapshot: spec.createSnapshot,
      crCreationTime: metadata.creationTimestamp,
      creationTime: status.creationTime,
      labels: hasOwnLabels ? spec.labels : status.labels,
      parent: status.parent,
      children: status.children,
      size: status.size,
      restoreSize: status.restoreSize,
      checksum: status.checksum,
      readyToUse: status.readyToUse && !isDeleted(object),
      userCreated: status.userCreated,
      markRemoved: status.markRemoved,
      ownerID: status.ownerID,
      ...(status.error === "" ? {} : { error: status.error }),
    },
  };
}
