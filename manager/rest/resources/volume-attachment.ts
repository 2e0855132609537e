/** Who wants a volume attached where, as the API shows it. Pure. */
import type { Resource } from "../../objects/resource.js";
import type { Item } from "../http/envelope.js";
import type { Body } from "../schemas/index.js";

export function attachmentBody({ spec, status }: Resource<"VolumeAttachment">): Body<"volumeAttachment"> {
  const attachments = Object.entries(spec.attachmentTickets).map(([key, ticket]) => {
    const found = status.attachmentTicketStatuses[key];
    const shown: Body<"attachment"> = {
      attachmentID: ticket.id,
      attachmentType: ticket.type,
      nodeID: ticket.nodeID,
      parameters: ticket.parameters,
      // What was said of an older ticket under this id says nothing of this one.
      satisfied: found?.satisfied === true && found.generation === ticket.generation,
      conditions: found?.conditions ?? [],
    };
    return [key, shown];
  });
  return {
    volume: spec.volume,
    attachments: Object.fromEntries(attachments) as Record<string, Body<"attachment">>,
  };
}

export function attachmentToResource(attachment: Resource<"VolumeAttachment">): Item<"volumeAttachment"> {
  const { name } = attachment.metadata;
  return { type: "volumeAttachment", id: name, actions: [], body: attachmentBody(attachment) };
}
