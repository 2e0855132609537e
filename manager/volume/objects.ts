/** Objects that belong to a volume, as they begin. */
import { FINALIZER, type NewResource, type Resource } from "../objects/resource.js";
import type { Draft } from "./draft.js";

export function ownLabels(volume: string): Record<string, string> {
  return { longhornvolume: volume };
}

/** The engine, and the state in which there is none yet. */
export function makeMissing(draft: Draft): void {
  const { volume, engine } = draft;
  if (volume.status.state === "") volume.status.state = "creating";
  if (engine === null) draft.create(newEngine(volume));
}

function owner({ metadata }: Resource<"Volume">): NewResource<"Engine">["ownerReferences"] & object {
  return [{ kind: "Volume", name: metadata.name, uid: metadata.uid }];
}

function newEngine(volume: Resource<"Volume">): NewResource<"Engine"> {
  const { name } = volume.metadata;
  const { spec } = volume;
  return {
    kind: "Engine",
    name: `${name}-e-0`,
    finalizers: [FINALIZER],
    labels: ownLabels(name),
    ownerReferences: owner(volume),
    spec: {
      active: true,
      dataEngine: spec.dataEngine,
      desireState: "stopped",
      frontend: spec.frontend,
      image: spec.image,
      revisionCounterDisabled: spec.revisionCounterDisabled,
      volumeName: name,
      volumeSize: spec.size,
    },
  };
}

export interface Place {
  node: string;
  diskUUID: string;
  diskPath: string;
}

/** @param hardNode it has to stay on that node; "": anywhere */
export function newReplica(
  volume: Resource<"Volume">,
  { node, diskUUID, diskPath }: Place,
  suffix: string,
  hardNode: string,
): NewResource<"Replica"> {
  const { name } = volume.metadata;
  const { spec } = volume;
  return {
    kind: "Replica",
    name: `${name}-r-${suffix}`,
    finalizers: [FINALIZER],
    labels: { ...ownLabels(name), longhornnode: node, longhorndiskuuid: diskUUID },
    ownerReferences: owner(volume),
    spec: {
      active: true,
      dataDirectoryName: `${name}-${suffix}`,
      dataEngine: spec.dataEngine,
      desireState: "stopped",
      diskID: diskUUID,
      diskPath,
      engineName: `${name}-e-0`,
      hardNodeAffinity: hardNode,
      image: spec.image,
      nodeID: node,
      revisionCounterDisabled: spec.revisionCounterDisabled,
      volumeName: name,
      volumeSize: spec.size,
    },
  };
}
