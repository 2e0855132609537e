/** Tickets of the manager's own work: a volume that nobody uses is attached for it, and detached when there is none left. */
import { isFalse, isTrue } from "../objects/conditions.js";
import type { Resource } from "../objects/resource.js";
import { takesReplicas } from "../schedule/cluster.js";
import { modify, StoreError, type Store } from "../store/store.js";
import { addTicket, dropTicket, type AttachRequest } from "./attach.js";
import { newVolumeAttachment } from "./creation.js";
import { homesOf, isStrictlyLocal } from "./locality.js";
import { hasData, hasFailed } from "./modes.js";

const ID_LENGTH_MAX = 253;

/** @param name of the object that the work is about */
export function workTicketId(type: string, name: string): string {
  return `${type}-${name}`.slice(0, ID_LENGTH_MAX);
}

/** Where a volume is worked on: where it is already, or else where its data are.
 * @param replicas of the volume
 * @returns null: nowhere, now */
export function workNode(
  volume: Resource<"Volume">,
  replicas: readonly Resource<"Replica">[],
  nodes: readonly Resource<"Node">[],
): string | null {
  const { spec, status } = volume;
  const ready = nodes.filter((node) => isTrue(node.status.conditions, "Ready"));
  const homes = homesOf(volume, replicas);
  // Where a strict-local volume is worked on first, its copy is made.
  const isToBeHome = isStrictlyLocal(volume) && homes === null;
  const lacksPlace = (node: Resource<"Node">) => isToBeHome && !takesReplicas(node);
  const present = ready.find(({ metadata }) => metadata.name === (status.currentNodeID || spec.nodeID));
  if (present !== undefined && (status.currentNodeID !== "" || !lacksPlace(present)))
    return present.metadata.name;
  const withData = new Set(
    replicas.filter((one) => hasData(one) && !hasFailed(one)).map((one) => one.spec.nodeID),
  );
  const usable = ready.filter(({ metadata }) => homes === null || homes.has(metadata.name));
  const cost = (node: Resource<"Node">) =>
    (lacksPlace(node) ? 4 : 0) +
    (isFalse(node.status.conditions, "Schedulable") ? 2 : 0) +
    (withData.has(node.metadata.name) ? 0 : 1);
  const [best] = [...usable].sort((a, b) => cost(a) - cost(b) || (a.metadata.name < b.metadata.name ? -1 : 1)); // prettier-ignore
  return best?.metadata.name ?? null;
}

/** Of the VolumeAttachment, which is made when it is missing. */
export async function changeAttachment(
  store: Store,
  volume: Resource<"Volume">,
  change: (attachment: Resource<"VolumeAttachment">) => void,
): Promise<void> {
  while ((await modify(store, "VolumeAttachment", volume.metadata.name, "spec", change)) === null) {
    // The one that made the volume did not get as far.
    await store.create(newVolumeAttachment(volume)).catch((error: unknown) => {
      if (!(error instanceof StoreError) || error.code !== "EXISTS") throw error;
    });
  }
}

/** The tickets of one kind of work on a volume become those that are wanted; all others are left alone.
 * @param isOurs of their ids */
export async function setWorkTickets(
  store: Store,
  volume: Resource<"Volume">,
  isOurs: (id: string) => boolean,
  wanted: readonly AttachRequest[],
): Promise<void> {
  const attachment = await store.get("VolumeAttachment", volume.metadata.name);
  const present = Object.keys(attachment?.spec.attachmentTickets ?? {}).filter(isOurs);
  if (present.length === 0 && wanted.length === 0) return;
  const ids = new Set(wanted.map(({ id }) => id));
  await changeAttachment(store, volume, ({ spec }) => {
    for (const id of Object.keys(spec.attachmentTickets))
      if (isOurs(id) && !ids.has(id)) dropTicket(spec, id, "");
    for (const request of wanted) addTicket(spec, request);
  });
}
