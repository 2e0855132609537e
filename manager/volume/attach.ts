/** Who wants a volume, written into its VolumeAttachment. Pure. Facts: manager.md section 3. */
import type { SpecOf } from "../objects/kinds.js";
import { RuleError } from "../rule-error.js";

type AttachmentSpec = SpecOf<"VolumeAttachment">;

export interface AttachRequest {
  /** of the ticket; "" is one as well */
  id: string;
  type: string;
  nodeID: string;
  /** "any": it does not matter */
  disableFrontend: boolean | "any";
  /** free text, for people */
  attachedBy: string;
}

/** "": that of a user. */
export const TICKET_TYPE_DEFAULT = "longhorn-api";

const TICKET_TYPES: ReadonlySet<string> = new Set([
  "bim-ds-controller",
  "backup-controller",
  "csi-attacher",
  "longhorn-api",
  "salvage-controller",
  "share-manager-controller",
  "snapshot-controller",
  "volume-clone-controller",
  "volume-eviction-controller",
  "volume-expansion-controller",
  "volume-rebuilding-controller",
  "volume-restore-controller",
]);

/** @throws {RuleError} there is no such type of tickets */
export function checkTicketType(type: string): void {
  if (!TICKET_TYPES.has(type))
    throw new RuleError("INVALID", `attachInput: attacherType: ${JSON.stringify(type)} is not known`);
}

/** A ticket that is there already is changed; the same again is no change. */
export function addTicket(
  spec: AttachmentSpec,
  { id, type, nodeID, disableFrontend, attachedBy }: AttachRequest,
): void {
  const before = spec.attachmentTickets[id];
  const parameters = { disableFrontend: String(disableFrontend), lastAttachedBy: attachedBy };
  const isSame =
    before?.nodeID === nodeID &&
    before.type === type &&
    before.parameters["disableFrontend"] === parameters.disableFrontend &&
    before.parameters["lastAttachedBy"] === attachedBy;
  if (isSame) return;
  spec.attachmentTickets[id] = { id, type, nodeID, parameters, generation: (before?.generation ?? 0) + 1 };
}

/** @param nodeID only a ticket for this node; "": for any */
export function dropTicket(spec: AttachmentSpec, id: string, nodeID: string): void {
  const ticket = spec.attachmentTickets[id];
  if (ticket === undefined || (nodeID !== "" && ticket.nodeID !== nodeID)) return;
  spec.attachmentTickets = Object.fromEntries(
    Object.entries(spec.attachmentTickets).filter(([key]) => key !== id),
  );
}
