/** New replicas that came to nothing, with their engine or on their node: each that follows is made after a longer wait. */
import { forgetAnnotation, type Resource } from "../objects/resource.js";
import type { Draft } from "./draft.js";
import { parseTime, pauseMs } from "./time.js";

/** Of a volume, as JSON. */
const REFUSALS = "aurochs.io/new-replicas-refused";

interface Refusals {
  /** since one became whole */
  count: number;
  /** RFC 3339, of the last one */
  at: string;
}

/** ms until another one is made: the first time, and at most; doubled in between. What its engine refuses, as a volume that has as many
 * snapshots as it may have does, it refuses for long; and a copy that comes back is tried meanwhile. */
const PAUSE_MS = { first: 30_000, max: 300_000 } as const;

export function noteRefusal(draft: Draft): void {
  const { metadata } = draft.volume;
  const noted: Refusals = { count: (refusals(metadata)?.count ?? 0) + 1, at: draft.now };
  metadata.annotations[REFUSALS] = JSON.stringify(noted);
}

/** One has become whole. */
export function forgetRefusals({ volume }: Draft): void {
  forgetAnnotation(volume.metadata, REFUSALS);
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
  return text === undefined ? null : (JSON.parse(text) as Refusals);
}
