/** What an engine could take in, and does not: since when, as its object keeps it. */
import { forgetAnnotation, type Resource } from "../objects/resource.js";
import type { Draft } from "./draft.js";
import { parseTime } from "./time.js";

/** RFC 3339 */
const LEFT_OUT_SINCE = "aurochs.io/left-out-since";

/** ms until it counts as left out: what is taken in is so within seconds. */
const LEFT_OUT_MS = 60_000;

type Member = Resource<"Replica"> | Resource<"Witness">;

/** @param couldBeTaken all that it takes is there, and the engine says that it has not done so */
export function noteLeftOut(draft: Draft, member: Member, couldBeTaken: boolean): void {
  const { metadata } = member;
  if (!couldBeTaken) {
    forgetAnnotation(metadata, LEFT_OUT_SINCE);
    return;
  }
  metadata.annotations[LEFT_OUT_SINCE] ??= draft.now;
  if (!isLeftOut(draft, member)) draft.lookAgain(leftOutAt(member));
}

export function isLeftOut(draft: Draft, member: Member): boolean {
  return member.metadata.annotations[LEFT_OUT_SINCE] !== undefined && draft.world.now >= leftOutAt(member);
}

function leftOutAt({ metadata }: Member): number {
  return parseTime(metadata.annotations[LEFT_OUT_SINCE] ?? "") + LEFT_OUT_MS;
}
