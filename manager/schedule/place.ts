/** Where the next replica of a volume goes, or why nowhere. Pure: the same cluster gives the same place. */
import type { Cluster, ClusterNode, Disk } from "./cluster.js";
import { promisable, spaceRefusal, writable } from "./space.js";

export interface Want {
  /** bytes that the replica may grow to */
  size: number;
  /** bytes that it will have at once: what the volume's other replicas have */
  actualSize: number;
  /** tags, all of which a node or disk must have */
  nodeSelector: readonly string[];
  diskSelector: readonly string[];
  /** the only node that may be used; "": any */
  node: string;
  /** replicas may share a node, a zone, a disk if it has to be */
  shares: { node: boolean; zone: boolean; disk: boolean };
  /** where the volume's replicas are that it keeps, or waits for */
  taken: readonly Taken[];
  /** where its witness is, which would be of no use beside a copy; "": nowhere */
  witness: string;
}

export interface Taken {
  node: string;
  diskUUID: string;
  /** it goes as soon as another one is there */
  evicting: boolean;
}

/** Longhorn's words for why a replica could not be placed. */
export type Failure =
  | "node not found"
  | "nodes are unavailable"
  | "disk not found"
  | "disks are unavailable"
  | "tags not fulfilled"
  | "hard affinity cannot be satisfied"
  | "insufficient storage"
  | "replica scheduling failed";

export interface Refusal {
  node: string;
  /** "": all disks of the node */
  disk: string;
  failure: Failure;
  /** for people */
  why: string;
}

export type Placement =
  | { placed: true; node: string; disk: Disk; refusals: Refusal[] }
  | { placed: false; failures: Failure[]; refusals: Refusal[] };

interface Candidate {
  node: ClusterNode;
  disk: Disk;
  /** of zone, node and disk: 0 nothing of the volume is there, 1 only what goes, 2 a replica */
  crowding: readonly [number, number, number];
  isWitness: boolean;
  /** bytes that could still be promised or written, whichever is less */
  room: number;
}

export function place(cluster: Cluster, want: Want): Placement {
  const refusals: Refusal[] = [];
  const candidates: Candidate[] = [];
  for (const node of cluster.nodes) {
    const refuse = (failure: Failure, why: string, disk = "") =>
      refusals.push({ node: node.name, disk, failure, why });
    if (want.node !== "" && node.name !== want.node) {
      refuse("hard affinity cannot be satisfied", `the replica has to be on node ${want.node}`);
      continue;
    }
    const refusal = nodeRefusal(cluster, node, want);
    if (refusal !== null) {
      refuse(refusal.failure, refusal.why);
      continue;
    }
    if (node.disks.length === 0) refuse("disk not found", "the node has no disk");
    for (const disk of node.disks) {
      const no = diskRefusal(cluster, disk, want);
      if (no !== null) refuse(no.failure, no.why, disk.name);
      else candidates.push(candidate(cluster, node, disk, want));
    }
  }
  const [best] = candidates.sort(byPreference);
  if (best !== undefined) return { placed: true, node: best.node.name, disk: best.disk, refusals };
  return { placed: false, failures: failuresOf(cluster, want, refusals), refusals };
}

type No = { failure: Failure; why: string } | null;

function nodeRefusal(cluster: Cluster, node: ClusterNode, want: Want): No {
  if (node.refusal !== null) return { failure: "nodes are unavailable", why: node.refusal };
  const tags = tagRefusal("node", node.tags, want.nodeSelector, cluster.emptyNodeSelectorTakesAll);
  if (tags !== null) return tags;
  if (!want.shares.zone && zoneCrowding(cluster, node, want) === 2)
    return {
      failure: "hard affinity cannot be satisfied",
      why: `another replica is in ${node.zone === "" ? "the zone of nodes that name none" : `zone ${node.zone}`}`,
    };
  if (!want.shares.node && nodeCrowding(node, want) === 2)
    return { failure: "hard affinity cannot be satisfied", why: "another replica is on the node" };
  return null;
}

function diskRefusal(cluster: Cluster, disk: Disk, want: Want): No {
  if (disk.refusal !== null) return { failure: "disks are unavailable", why: disk.refusal };
  const tags = tagRefusal("disk", disk.tags, want.diskSelector, cluster.emptyDiskSelectorTakesAll);
  if (tags !== null) return tags;
  if (!want.shares.disk && diskCrowding(disk, want) === 2)
    return { failure: "hard affinity cannot be satisfied", why: "another replica is on the disk" };
  const space = spaceRefusal(disk, cluster.rules, want.size, want.actualSize);
  return space === null ? null : { failure: "insufficient storage", why: space };
}

function tagRefusal(
  what: "node" | "disk",
  tags: readonly string[],
  selector: readonly string[],
  emptyTakesAll: boolean,
): No {
  const missing = selector.filter((tag) => !tags.includes(tag));
  if (missing.length > 0)
    return { failure: "tags not fulfilled", why: `the ${what} is not tagged ${missing.join(", ")}` };
  if (selector.length === 0 && tags.length > 0 && !emptyTakesAll)
    return {
      failure: "tags not fulfilled",
      why: `the ${what} has tags (${tags.join(", ")}), and is kept for volumes that ask for them`,
    };
  return null;
}

function candidate(cluster: Cluster, node: ClusterNode, disk: Disk, want: Want): Candidate {
  const crowding = [
    zoneCrowding(cluster, node, want),
    nodeCrowding(node, want),
    diskCrowding(disk, want),
  ] as const;
  const room = Math.min(promisable(disk, cluster.rules), writable(disk, cluster.rules));
  return { node, disk, crowding, isWitness: node.name === want.witness, room };
}

/** Apart from the volume's other replicas first, then from its witness; then where most room is, so that volumes spread; then by name. */
function byPreference(a: Candidate, b: Candidate): number {
  for (const [level, crowding] of a.crowding.entries()) {
    const difference = crowding - (b.crowding[level] ?? 0);
    if (difference !== 0) return difference;
  }
  if (a.isWitness !== b.isWitness) return a.isWitness ? 1 : -1;
  if (a.room !== b.room) return b.room - a.room;
  if (a.disk.replicaCount !== b.disk.replicaCount) return a.disk.replicaCount - b.disk.replicaCount;
  return 0;
}

function crowding(there: readonly Taken[]): number {
  if (there.length === 0) return 0;
  return there.every(({ evicting }) => evicting) ? 1 : 2;
}

function diskCrowding({ uuid }: Disk, { taken }: Want): number {
  return crowding(taken.filter(({ diskUUID }) => diskUUID === uuid));
}

function nodeCrowding({ name }: ClusterNode, { taken }: Want): number {
  return crowding(taken.filter(({ node }) => node === name));
}

function zoneCrowding(cluster: Cluster, { zone }: ClusterNode, { taken }: Want): number {
  const nodes = new Set(cluster.nodes.filter((node) => node.zone === zone).map(({ name }) => name));
  return crowding(taken.filter(({ node }) => nodes.has(node)));
}

function failuresOf(cluster: Cluster, want: Want, refusals: readonly Refusal[]): Failure[] {
  if (want.node !== "" && !cluster.nodes.some(({ name }) => name === want.node)) return ["node not found"];
  const relevant = refusals.filter(({ node }) => want.node === "" || node === want.node);
  const failures = [...new Set(relevant.map(({ failure }) => failure))];
  return failures.length > 0 ? failures : ["replica scheduling failed"];
}
