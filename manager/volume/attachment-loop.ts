/** Keeps a volume where the tickets of its VolumeAttachment want it, and tells each ticket whether it has its way. */
import type { Logger } from "pino";
import { Loop } from "../control/loop.js";
import { isDeleted, type Resource } from "../objects/resource.js";
import type { Store } from "../store/store.js";
import { homesOf } from "./locality.js";
import { ownLabels } from "./objects.js";
import { ticketStatus, wish } from "./tickets.js";
import { formatTime } from "../../engine/timestamp.js";

export function startAttachmentLoop(store: Store, log: Logger): Loop {
  return new Loop("attachment", store, (name) => reconcile(store, name), log)
    .follow("VolumeAttachment", ({ spec }) => [spec.volume])
    .follow("Volume", ({ metadata }) => [metadata.name]);
}

async function reconcile(store: Store, name: string): Promise<null> {
  const [volume, attachment, replicas] = await Promise.all([
    store.get("Volume", name),
    store.get("VolumeAttachment", name),
    store.list("Replica", ownLabels(name)),
  ]);
  if (volume === null) {
    // Owned by the volume: it goes with it.
    if (attachment !== null) await store.delete("VolumeAttachment", name, attachment.metadata.uid);
    return null;
  }
  if (isDeleted(volume)) return null;
  const tickets = Object.values(attachment?.spec.attachmentTickets ?? {});
  const homes = homesOf(volume, replicas);
  const wished = wish(volume, tickets, homes);
  volume.spec.nodeID = wished.nodeID;
  volume.spec.disableFrontend = wished.disableFrontend;
  if (wished.lastAttachedBy !== "") volume.spec.lastAttachedBy = wished.lastAttachedBy;
  await store.update(volume);
  if (attachment !== null) await tellTickets(store, volume, attachment, homes);
  return null;
}

async function tellTickets(
  store: Store,
  volume: Resource<"Volume">,
  attachment: Resource<"VolumeAttachment">,
  homes: ReadonlySet<string> | null,
): Promise<void> {
  const before = attachment.status.attachmentTicketStatuses;
  const all = Object.values(attachment.spec.attachmentTickets);
  const now = formatTime(Date.now());
  attachment.status.attachmentTicketStatuses = Object.fromEntries(
    Object.entries(attachment.spec.attachmentTickets).map(([id, ticket]) => [
      id,
      ticketStatus(volume, ticket, all, homes, before[id], now),
    ]),
  );
  await store.updateStatus(attachment);
}
