/** Nodes and what runs there, as the API shows them. Pure. */
import type { Resource } from "../../objects/resource.js";
import type { Item } from "../http/envelope.js";
import type { Body } from "../schemas/index.js";
import { byType } from "./volume.js";

/** @param address of the node's agent, "" when it is not known */
export function nodeToResource(node: Resource<"Node">, address: string): Item<"node"> {
  const { metadata, spec, status } = node;
  const disks = Object.keys(spec.disks).map((name) => [name, diskBody(node, name)]);
  return {
    type: "node",
    id: metadata.name,
    actions: ["diskUpdate"],
    body: {
      name: metadata.name,
      address,
      allowScheduling: spec.allowScheduling,
      autoEvicting: status.autoEvicting,
      conditions: byType(status.conditions),
      disks: Object.fromEntries(disks) as Record<string, Body<"diskInfo">>,
      evictionRequested: spec.evictionRequested,
      instanceManagerCPURequest: spec.instanceManagerCPURequest,
      region: status.region,
      tags: spec.tags,
      zone: status.zone,
    },
  };
}

function diskBody({ spec, status }: Resource<"Node">, name: string): Body<"diskInfo"> {
  const wanted = spec.disks[name];
  const found = status.diskStatus[name];
  return {
    path: wanted?.path ?? "",
    diskType: wanted?.diskType ?? "",
    diskDriver: found?.diskDriver ?? wanted?.diskDriver ?? "",
    allowScheduling: wanted?.allowScheduling ?? false,
    evictionRequested: wanted?.evictionRequested ?? false,
    storageReserved: wanted?.storageReserved ?? 0,
    tags: wanted?.tags ?? [],
    diskUUID: found?.diskUUID ?? "",
    conditions: byType(found?.conditions ?? []),
    scheduledBackingImage: found?.scheduledBackingImage ?? {},
    scheduledReplica: found?.scheduledReplica ?? {},
    storageAvailable: found?.storageAvailable ?? 0,
    storageMaximum: found?.storageMaximum ?? 0,
    storageScheduled: found?.storageScheduled ?? 0,
  };
}

export function instanceManagerToResource({
  metadata,
  spec,
  status,
}: Resource<"InstanceManager">): Item<"instanceManager"> {
  return {
    type: "instanceManager",
    id: metadata.name,
    actions: [],
    body: {
      name: metadata.name,
      nodeID: spec.nodeID,
      image: spec.image,
      dataEngine: spec.dataEngine,
      managerType: spec.type,
      currentState: status.currentState,
      instanceEngines: status.instanceEngines,
      instanceReplicas: status.instanceReplicas,
      instances: status.instances,
    },
  };
}

export function orphanToResource({ metadata, spec }: Resource<"Orphan">): Item<"orphan"> {
  const { nodeID, orphanType, dataEngine, parameters } = spec;
  const { name } = metadata;
  return {
    type: "orphan",
    id: name,
    actions: [],
    body: { name, nodeID, orphanType, dataEngine, parameters },
  };
}

/** @param defaultImage of new volumes */
export function engineImageToResource(
  { metadata, spec, status }: Resource<"EngineImage">,
  defaultImage: string,
): Item<"engineImage"> {
  return {
    type: "engineImage",
    id: metadata.name,
    actions: [],
    body: {
      name: metadata.name,
      image: spec.image,
      default: spec.image === defaultImage,
      state: status.state,
      version: status.version,
      gitCommit: status.gitCommit,
      buildDate: status.buildDate,
      conditions: status.conditions,
      incompatible: status.incompatible,
      noRefSince: status.noRefSince,
      nodeDeploymentMap: status.nodeDeploymentMap,
      ownerID: status.ownerID,
      refCount: status.refCount,
      cliAPIVersion: status.cliAPIVersion,
      cliAPIMinVersion: status.cliAPIMinVersion,
      controllerAPIVersion: status.controllerAPIVersion,
      controllerAPIMinVersion: status.controllerAPIMinVersion,
      dataFormatVersion: status.dataFormatVersion,
      dataFormatMinVersion: status.dataFormatMinVersion,
    },
  };
}

/** Tags that nodes, or disks, have: what volumes can ask for. */
export function tagItems(tagType: "node" | "disk", nodes: readonly Resource<"Node">[]): Item<"tag">[] {
  const tags = nodes.flatMap(({ spec }) =>
    tagType === "node" ? spec.tags : Object.values(spec.disks).flatMap((disk) => disk.tags),
  );
  return [...new Set(tags)].sort().map((name) => ({ type: "tag", id: name, actions: [], body: { name, tagType } })); // prettier-ignore
}
