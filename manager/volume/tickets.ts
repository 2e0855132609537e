/**
 * Who gets a volume: of all tickets of its VolumeAttachment, the one that decides where it is attached, and which of them are
 * satisfied. Pure.
 */
import { dated } from "../objects/conditions.js";
import type { Resource } from "../objects/resource.js";
import { CLONE_TICKET_TYPE, isCloning } from "./cloning.js";
import { awayRefusal } from "./locality.js";

export type Ticket = Resource<"VolumeAttachment">["spec"]["attachmentTickets"][string];
export type TicketStatus = Resource<"VolumeAttachment">["status"]["attachmentTicketStatuses"][string];

/** Higher ones come first; a type that is not here comes last. */
const PRIORITY: Readonly<Record<string, number>> = {
  "volume-restore-controller": 2000,
  "volume-expansion-controller": 2000,
  "longhorn-api": 1000,
  "csi-attacher": 900,
  "salvage-controller": 900,
  "share-manager-controller": 900,
  "snapshot-controller": 800,
  "backup-controller": 800,
  "volume-clone-controller": 800,
  "volume-eviction-controller": 800,
  "volume-rebuilding-controller": 800,
  "bim-ds-controller": 800,
};

/** Work that may be broken off for a workload: it can be gone on with where that is. */
const INTERRUPTIBLE = new Set([
  "snapshot-controller",
  "backup-controller",
  "volume-clone-controller",
  "volume-eviction-controller",
  "volume-rebuilding-controller",
]);

const CSI_TICKET_TYPE = "csi-attacher";

const WORKLOAD = new Set(["longhorn-api", CSI_TICKET_TYPE, "share-manager-controller"]);

export interface Wish {
  /** node on which the volume has to be attached; "": none */
  nodeID: string;
  disableFrontend: boolean;
  /** "": unchanged */
  lastAttachedBy: string;
}

/** @param homes nodes that the volume can be attached to; null: all
 * @returns where the volume has to be now: another ticket's turn comes when it is detached */
export function wish(
  volume: Resource<"Volume">,
  all: readonly Ticket[],
  homes: ReadonlySet<string> | null,
): Wish {
  const { spec, status } = volume;
  const mayBe = ({ nodeID }: Ticket) => nodeID === spec.nodeID || awayRefusal(volume, homes, nodeID) === null;
  // What becomes a copy is nobody's until it is one.
  const isOne = ({ type }: Ticket) => !isCloning(volume) || type === CLONE_TICKET_TYPE;
  const tickets = all.filter((ticket) => isOne(ticket) && mayBe(ticket));
  const stay = { nodeID: spec.nodeID, disableFrontend: spec.disableFrontend, lastAttachedBy: "" };
  const detach = { ...stay, nodeID: "" };
  if (status.robustness === "faulted") return detach;
  if (spec.nodeID !== "") {
    if (!tickets.some((ticket) => fits(ticket, spec.nodeID, spec.disableFrontend))) return detach;
    return isInTheWay(tickets, spec.nodeID) ? detach : stay;
  }
  const [first] = [...tickets].sort(byPriority);
  if (status.state !== "detached" || first === undefined) return detach;
  return {
    nodeID: first.nodeID,
    disableFrontend: first.parameters["disableFrontend"] === "true",
    lastAttachedBy: first.parameters["lastAttachedBy"] ?? "",
  };
}

function fits({ nodeID, parameters }: Ticket, node: string, disableFrontend: boolean): boolean {
  return nodeID === node && frontendFits(parameters, disableFrontend);
}

function frontendFits(parameters: Record<string, string>, disableFrontend: boolean): boolean {
  const { disableFrontend: wanted = "false" } = parameters as { disableFrontend?: string };
  return wanted === "any" || (wanted === "true") === disableFrontend;
}

/** Only work that can wait keeps the volume where it is, while a workload waits for it elsewhere. */
function isInTheWay(tickets: readonly Ticket[], node: string): boolean {
  const here = tickets.filter(({ nodeID }) => nodeID === node);
  const elsewhere = tickets.filter(({ nodeID }) => nodeID !== node);
  return (
    here.every(({ type }) => INTERRUPTIBLE.has(type)) && elsewhere.some(({ type }) => WORKLOAD.has(type))
  );
}

function byPriority(a: Ticket, b: Ticket): number {
  const difference = (PRIORITY[b.type] ?? 0) - (PRIORITY[a.type] ?? 0);
  return difference === 0 ? (a.id < b.id ? -1 : 1) : difference;
}

/** @param all tickets of the volume
 * @param homes nodes that the volume can be attached to; null: all
 * @param before the status so far, whose times stay where nothing changed
 * @param now RFC 3339 */
export function ticketStatus(
  volume: Resource<"Volume">,
  ticket: Ticket,
  all: readonly Ticket[],
  homes: ReadonlySet<string> | null,
  before: TicketStatus | undefined,
  now: string,
): TicketStatus {
  const { state, currentNodeID } = volume.status;
  const isThere = state === "attached" && currentNodeID === ticket.nodeID;
  const isFitting = frontendFits(ticket.parameters, volume.spec.disableFrontend);
  const satisfied = isThere && isFitting;
  const [reason, message] = satisfied ? ["", ""] : whyNot(volume, ticket, all, homes, isThere);
  const condition = { type: "Satisfied", status: satisfied ? "True" : "False", reason, message };
  const { id, generation } = ticket;
  return { id, generation, satisfied, conditions: [dated(condition, before?.conditions ?? [], now)] };
}

/** @returns reason and message; empty: its turn comes */
function whyNot(
  volume: Resource<"Volume">,
  { nodeID, type }: Ticket,
  all: readonly Ticket[],
  homes: ReadonlySet<string> | null,
  isThere: boolean,
): [string, string] {
  const { metadata, spec, status } = volume;
  if (isThere)
    return [
      "AttachedWithIncompatibleParameters",
      `volume ${metadata.name} is attached to node ${status.currentNodeID} with the frontend ${spec.disableFrontend ? "disabled" : "enabled"}`,
    ];
  const away = nodeID === spec.nodeID ? null : awayRefusal(volume, homes, nodeID);
  if (away !== null) return ["StrictLocal", away];
  // Two such tickets are a live migration: whoever waits for it would wait for ever.
  const isPublished = ({ type, nodeID }: Ticket) => type === CSI_TICKET_TYPE && nodeID === spec.nodeID;
  if (spec.migratable && type === CSI_TICKET_TYPE && nodeID !== spec.nodeID && all.some(isPublished))
    return [
      "MigrationNotAvailable",
      `volume ${metadata.name} is attached to node ${spec.nodeID}, and live migration is not available yet: it has to be detached there first`,
    ];
  return ["", ""];
}
