/** Who wants a volume attached where: one ticket each. Fields as in Longhorn's volumeattachments.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { conditions, flag, integer, mapOf, record, text } from "./fields.js";

export const spec = record({
  attachmentTickets: mapOf(
    record({
      generation: integer(),
      id: text(),
      nodeID: text(),
      parameters: mapOf(text()),
      type: text(),
    }),
  ),
  volume: text(),
});

export const status = record({
  attachmentTicketStatuses: mapOf(
    record({
      conditions: conditions(),
      generation: integer(),
      id: text(),
      satisfied: flag(),
    }),
  ),
});

export type VolumeAttachmentSpec = Static<typeof spec>;
export type VolumeAttachmentStatus = Static<typeof status>;
