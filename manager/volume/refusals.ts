/** New replicas that came to nothing, with their engine or on their node: each that follows is made after a longer wait. */
import { forgetAnnotation, type Resource } from "../objects/resource.js";
import type { Cluster } from "../schedule/cluster.js";
import type { Draft } from "./draft.js";
import { parseTime, pauseMs } from "./time.js";

/** Of a volume, as JSON. */
const REFUSALS = "aurochs.io/new-replicas-refused";

interface Refusals {
  /** since one became whole */
  count: number;
  /** RFC 3339, of the last one */
  at: string;
  /** that they were on */
  nodes: string[];
}

/** ms until another one is made: the first time, and at most; doubled in between. What its engine refuses, as a volume that has as many
 * snapshots as it may have does, it refuses for long; and a copy that comes back is tried meanwhile. */
const PAUSE_MS = { first: 30_000, max: 300_000 } as const;

export function noteRefusal(draft: Draft, { spec }: Resource<"Replica">): void {
  const { metadata } = draft.volume;
  const { count, nodes } = refusals(metadata) ?? { count: 0, nodes: [] };
  const noted: Refusals = { count: count + 1, at: draft.now, nodes: [...new Set([...nodes, spec.nodeID])] };
  metadata.annotations[REFUSALS] = JSON.stringify(noted);
}

/** One has become whole. */
export function forgetRefusals({ volume }: Draft): void {
  forgetAnnotation(volume.metadata, REFUSALS);
}

/** Where the next one is tried first: a node that refused one has the same room as before, and would be chosen again. */
export function withoutRefusing({ volume, world }: Draft): Cluster {
  const refusing = refusals(volume.metadata)?.nodes ?? [];
  return { ...world.cluster, nodes: world.cluster.nodes.filter(({ name }) => !refusing.includes(name)) };
}

/** No other one is made yet. */
export function isPausing(draft: Draft): boolean {
  const last = refusals(draft.volume.metadata);
  if (last === null) return false;
  const until = parseTime(last.at) + pauseMs(last.count, PAUSE_MS);
  if (draft.world.now >= until) return false;
  draft.lookAgain(until);
  return true;
}

function refusals({ annotations }: Resource["metadata"]): Refusals | null {
  const text = annotations[REFUSALS];
  // A manager before this one noted no nodes.
  return text === undefined
    ? null
    : { nodes: [], ...(JSON.parse(text) as Partial<Refusals> & Omit<Refusals, "nodes">) };
}
