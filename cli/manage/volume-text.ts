/** Volumes and their replicas as text for people. Pure. */
import type { Volume } from "../../rest-client/resources.js";
import { fieldsText, tableText, type Column, type Paint } from "./table.js";
import type { Tone } from "./terminal.js";
import { age, list, moment, size } from "./words.js";

export type Replica = Volume["replicas"][number];

export function volumesText(volumes: readonly Volume[], now: number, paint: Paint): string {
  const columns: Column<Volume>[] = [
    { title: "NAME", of: ({ name }) => name },
    { title: "SIZE", of: (volume) => size(volume.size), align: "right" },
    { title: "USED", of: (volume) => size(usedBytes(volume)), align: "right" },
    { title: "STATE", of: ({ state }) => state },
    { title: "HEALTH", of: healthText, tone: healthTone },
    { title: "COPIES", of: copiesText },
    { title: "NODE", of: nodeOf },
    { title: "AGE", of: ({ created }) => age(created, now), align: "right" },
  ];
  return tableText(columns, volumes, paint);
}

export function volumeText(volume: Volume, now: number, paint: Paint): string {
  const node = nodeOf(volume);
  const tickets = Object.values(volume.volumeAttachment.attachments);
  const fields: [string, string][] = [
    ["volume", volume.name],
    ["state", node === "" ? volume.state : `${volume.state}, on ${node}`],
    ["health", paint(healthText(volume), healthTone(volume))],
    ["size", `${size(volume.size)}, ${size(usedBytes(volume))} used`],
    ["device", volume.controllers?.map(({ endpoint }) => endpoint).find((endpoint) => endpoint !== "") ?? ""],
    ["copies", `${copiesText(volume)} (${volume.numberOfReplicas} wanted)`],
    ["wanted on", list(tickets.map((ticket) => `${ticket.nodeID} by ${ticketName(ticket)}`))],
    ["frontend", volume.disableFrontend ? `${volume.frontend}, disabled` : volume.frontend],
    ["data locality", volume.dataLocality],
    ["access mode", volume.accessMode],
    ["node tags", volume.nodeSelector.join(", ")],
    ["disk tags", volume.diskSelector.join(", ")],
    ["copied from", volume.dataSource === "" ? "" : `${volume.dataSource}, ${volume.cloneStatus.state}`],
    ["created", moment(volume.created, now)],
    ...unusualConditions(volume),
  ];
  return `${fieldsText(fields)}\n${replicasText(volume.replicas, (replica) => replicaState(volume, replica), now, paint)}`;
}

/** @param more columns before the others */
export function replicasText<R extends Replica>(
  replicas: readonly R[],
  stateOf: (replica: R) => string,
  now: number,
  paint: Paint,
  more: readonly Column<R>[] = [],
): string {
  const columns: Column<R>[] = [
    ...more,
    { title: "REPLICA", of: ({ name }) => name },
    { title: "NODE", of: ({ hostId }) => hostId },
    { title: "STATE", of: stateOf, tone: replicaTone },
    { title: "FAILED", of: ({ failedAt }) => (failedAt === "" ? "" : `${age(failedAt, now)} ago`) },
    { title: "PATH", of: ({ dataPath }) => dataPath },
  ];
  return tableText(columns, replicas, paint);
}

/** @param volume that it belongs to: its engine tells of rebuilds */
export function replicaState(volume: Volume | undefined, replica: Replica): string {
  const rebuild = volume?.rebuildStatus.find((one) => one.replica === replica.name && one.isRebuilding);
  if (rebuild !== undefined) return `rebuilding ${rebuild.progress} %`;
  switch (replica.mode) {
    case "RW":
      return "current";
    case "WO":
      return "rebuilding";
    case "ERR":
      return "failed";
    default:
      if (replica.failedAt !== "") return "failed";
      return replica.running ? "running" : "stopped";
  }
}

function replicaTone({ mode, failedAt }: Replica): Tone | null {
  if (mode === "RW") return "good";
  if (mode === "ERR" || failedAt !== "") return "bad";
  return mode === "WO" ? "careful" : null;
}

function healthText(volume: Volume): string {
  const progress = rebuildPercent(volume);
  return progress === null ? volume.robustness : `${volume.robustness}, rebuilding ${progress} %`;
}

function healthTone({ robustness }: Volume): Tone | null {
  return robustness === "healthy" ? "good" : robustness === "degraded" ? "careful" : robustness === "faulted" ? "bad" : null; // prettier-ignore
}

/** @returns 0..100, the mean of all rebuilds; null when there is none */
export function rebuildPercent({ rebuildStatus }: Volume): number | null {
  const running = rebuildStatus.filter(({ isRebuilding }) => isRebuilding);
  if (running.length === 0) return null;
  return Math.floor(running.reduce((sum, { progress }) => sum + progress, 0) / running.length);
}

/** Those that are current, as far as somebody says so: an engine, or else that they have not failed and were whole once. */
export function currentCopies({ state, replicas }: Volume): Replica[] {
  return replicas.filter(({ mode, failedAt }) => state === "attached" ? mode === "RW" : failedAt === "" && mode !== "WO"); // prettier-ignore
}

function copiesText(volume: Volume): string {
  return `${currentCopies(volume).length}/${volume.numberOfReplicas}`;
}

/** An engine that does not run tells where it was. "": it is on none */
export function nodeOf({ state, controllers }: Volume): string {
  const isThere = state === "attached" || state === "detaching";
  return (
    (controllers ?? []).find(({ hostId, running }) => hostId !== "" && (isThere || running))?.hostId ?? ""
  );
}

export function usedBytes({ controllers }: Volume): number {
  return Math.max(0, ...(controllers ?? []).map(({ actualSize }) => Number(actualSize) || 0));
}

/** What detaches it again is the id; those of the manager's own work say what that is. */
export function ticketName({ attachmentID, attachmentType }: Ticket): string {
  if (attachmentID === "" || attachmentID.startsWith(attachmentType)) return attachmentID || attachmentType;
  return `${attachmentType} ${attachmentID}`;
}

type Ticket = Volume["volumeAttachment"]["attachments"][string];

/** Those that people want to know of. */
function unusualConditions({ conditions }: Volume): [string, string][] {
  const scheduled = conditions["Scheduled"];
  const snapshots = conditions["TooManySnapshots"];
  return [
    ["scheduling", scheduled?.status === "False" ? oneLine(scheduled.message) : ""],
    ["snapshots", snapshots?.status === "True" ? oneLine(snapshots.message) || "too many" : ""],
  ];
}

export function oneLine(message: string): string {
  return message.trim().split("\n").join("; ");
}
