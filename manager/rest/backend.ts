/** What the API stands on, and what it reads there. */
import type { Events } from "../events/events.js";
import type { Kind } from "../objects/kinds.js";
import type { Resource } from "../objects/resource.js";
import type { EngineOperations, NodeOperations } from "../operations.js";
import { clusterOf, type Cluster } from "../schedule/cluster.js";
import { loadSettings } from "../settings/stored.js";
import type { Store } from "../store/store.js";
import { missing } from "./http/errors.js";
import type { SchemaId } from "./schemas/index.js";
import type { VolumeView } from "./resources/volume.js";

export interface Backend {
  store: Store;
  events: Events;
  engines: EngineOperations;
  nodes: NodeOperations;
}

/** @param type as messages name it
 * @throws {ApiError} there is none */
export async function need<K extends Kind>(
  { store }: Backend,
  kind: K,
  type: SchemaId,
  name: string,
): Promise<Resource<K>> {
  const object = await store.get(kind, name);
  if (object === null) throw missing(type, name);
  return object;
}

export async function readCluster({ store }: Backend): Promise<Cluster> {
  return clusterOf(await store.list("Node"), await store.list("Replica"), await loadSettings(store));
}

export async function volumeView({ store }: Backend, volume: Resource<"Volume">): Promise<VolumeView> {
  const { name } = volume.metadata;
  const [engines, replicas, attachment] = await Promise.all([
    store.list("Engine"),
    store.list("Replica"),
    store.get("VolumeAttachment", name),
  ]);
  return {
    volume,
    engines: engines.filter(({ spec }) => spec.volumeName === name),
    replicas: replicas.filter(({ spec }) => spec.volumeName === name),
    attachment,
  };
}

export async function volumeViews({ store }: Backend): Promise<VolumeView[]> {
  const [volumes, engines, replicas, attachments] = await Promise.all([
    store.list("Volume"),
    store.list("Engine"),
    store.list("Replica"),
    store.list("VolumeAttachment"),
  ]);
  const enginesOf = groupBy(engines, ({ spec }) => spec.volumeName);
  const replicasOf = groupBy(replicas, ({ spec }) => spec.volumeName);
  const attachmentOf = new Map(attachments.map((one) => [one.metadata.name, one]));
  return volumes.map((volume) => {
    const { name } = volume.metadata;
    return {
      volume,
      engines: enginesOf.get(name) ?? [],
      replicas: replicasOf.get(name) ?? [],
      attachment: attachmentOf.get(name) ?? null,
    };
  });
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value]);
  return groups;
}
