/** What is known of a volume, and what follows from it in a step. Pure. */
import type { EventResource, Node, Volume } from "../../../rest-client/resources.js";
import { disksOf } from "../node-text.js";
import { oneLine, type Replica } from "../volume-text.js";
import { list, timeOf } from "../words.js";

export interface Facts {
  volume: Volume;
  nodes: readonly Node[];
  /** of the volume, its engine and its replicas; the latest last */
  events: readonly EventResource[];
  /** by their names */
  settings: ReadonlyMap<string, string>;
  /** that it is copied from; null: it is not, or that one is gone */
  source: Volume | null;
  /** names of volumes that become copies of it, and are not whole yet */
  unfinishedCopies: readonly string[];
  /** that it has, and that are not there */
  unknownJobs: readonly { name: string; isGroup: boolean }[];
  /** ms since the epoch */
  now: number;
}

/** One thing that is not as it could be. */
export interface Finding {
  /** a sentence */
  what: string;
  /** what is seen, one thing each */
  evidence: string[];
  /** what to do, one step each, the safest first; none: it goes on by itself */
  next: string[];
}

export type Rule = (facts: Facts) => Finding[];

type Conditions = Readonly<Record<string, { status: string; reason: string; message: string }>>;

/** @returns "reason: message", or as much of it as there is */
export function because(conditions: Conditions, type: string): string {
  const { reason = "", message = "" } = conditions[type] ?? {};
  return [reason, oneLine(message)].filter((part) => part !== "").join(": ");
}

export function isReady(conditions: Conditions): boolean {
  return conditions["Ready"]?.status === "True";
}

/** @returns why nothing can be had from the node; null when it can */
export function nodeProblem({ nodes }: Facts, name: string): string | null {
  const node = nodes.find((one) => one.name === name);
  if (node === undefined) return `node ${name} is not known`;
  if (isReady(node.conditions)) return null;
  return withReason(`node ${name} is not ready`, because(node.conditions, "Ready"));
}

/** What is in the way of a replica's data. */
export interface Away {
  text: string;
  /** what has to come back: "node-2" */
  place: string;
}

/** @returns null when nothing is known to be in the way */
export function awayOf(facts: Facts, { name, hostId, diskID }: Replica): Away | null {
  const ofNode = nodeProblem(facts, hostId);
  if (ofNode !== null) return { text: ofNode, place: hostId };
  const disk = disksOf(facts.nodes).find((one) => one.node === hostId && one.diskUUID === diskID);
  if (disk === undefined)
    return { text: `node ${hostId} does not have its disk (${diskID})`, place: `the disk of ${name}` };
  if (isReady(disk.conditions)) return null;
  const text = withReason(
    `disk ${disk.name} of node ${hostId} is not ready`,
    because(disk.conditions, "Ready"),
  );
  return { text, place: `disk ${disk.name} of ${hostId}` };
}

/** "node-1 and the disk of data-r-2", each once */
export function placesOf(all: readonly (Away | null)[]): string {
  return list([...new Set(all.flatMap((away) => (away === null ? [] : [away.place])))]);
}

export const ALL_READY = "its node and disk are ready";

export function withReason(what: string, why: string): string {
  return why === "" ? what : `${what} (${why})`;
}

export function setting({ settings }: Facts, name: string): string {
  return settings.get(name) ?? "";
}

export function failedAt({ failedAt: text }: Replica): number {
  return timeOf(text) ?? 0;
}

/** "data-r-1 on node-2" */
export function named({ name, hostId }: Replica): string {
  return hostId === "" ? name : `${name} on ${hostId}`;
}

/** `aurochs ...` as it is typed */
export function command(...words: string[]): string {
  return `aurochs ${words.join(" ")}`;
}
