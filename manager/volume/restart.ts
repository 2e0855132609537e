/** When a replica is started again that failed, or an engine. */
import { forgetAnnotation, type Resource } from "../objects/resource.js";
import type { Draft } from "./draft.js";
import { hasFailed } from "./modes.js";
import { parseTime, pauseMs } from "./time.js";

/** After so many rebuilds that failed, another replica is made in its place. */
export const REBUILD_TRIES_MAX = 5;

/** ms until a replica whose process ended is started again: at once the first time, then doubled each time up to the last of those. */
const RESTART_MS = 5_000;

export function tryAgain(draft: Draft, replica: Resource<"Replica">): void {
  const { spec, status } = replica;
  if (hasToPause(draft, replica)) draft.lookAgain(restartAt(replica));
  else if (status.currentState === "" || status.currentState === "stopped") spec.desireState = "running";
}

/** It has ended too often to be started again at once. */
export function hasToPause({ world }: Draft, replica: Resource<"Replica">): boolean {
  return world.now < restartAt(replica);
}

/** @returns ms since 1970; -Infinity: it has not ended since it was seen whole */
function restartAt({ spec }: Resource<"Replica">): number {
  if (parseTime(spec.lastHealthyAt) > parseTime(spec.lastFailedAt)) return -Infinity;
  const tries = Math.min(spec.rebuildRetryCount, REBUILD_TRIES_MAX);
  return parseTime(spec.lastFailedAt) + (tries <= 1 ? 0 : RESTART_MS * 2 ** tries);
}

/** What was open on a disk that is lost stays broken when it is back, and keeps it from being taken away: it is opened anew then. */
export function stopOnLostDisks(draft: Draft): void {
  for (const replica of draft.replicas)
    if (hasFailed(replica) && draft.isOnLostDisk(replica)) replica.spec.desireState = "stopped";
}

/** Of an engine that ended by itself, or was given up out of reach: what it did last may not have been told. */
const ENDED_BADLY = "aurochs.io/ended-badly";

export function noteBadEnd({ metadata }: Resource<"Engine">): void {
  metadata.annotations[ENDED_BADLY] = "true";
}

/** It serves again, and tells. */
export function forgetBadEnd({ metadata }: Resource<"Engine">): void {
  forgetAnnotation(metadata, ENDED_BADLY);
}

export function hasEndedBadly({ metadata }: Resource<"Engine">): boolean {
  return metadata.annotations[ENDED_BADLY] !== undefined;
}

/** Of an engine that failed before its volume was attached, as JSON: how often, when last, and with what. */
const FAILED_STARTS = "aurochs.io/failed-starts";

interface FailedStarts {
  count: number;
  /** RFC 3339 */
  at: string;
  /** names of the replicas, and of the witness or its voters, that it had to do with */
  with: string[];
}

/** ms until an engine that failed is started again: the first time, and at most; doubled in between. */
const ENGINE_RESTART_MS = { first: 5_000, max: 60_000 } as const;

export function noteFailedStart(
  draft: Draft,
  { metadata }: Resource<"Engine">,
  offered: readonly string[],
): void {
  const { count } = failedStarts(metadata) ?? { count: 0 };
  const noted: FailedStarts = { count: count + 1, at: draft.now, with: [...offered] };
  metadata.annotations[FAILED_STARTS] = JSON.stringify(noted);
}

/** It has served, or is to be started elsewhere, or from another replica. */
export function forgetFailedStarts({ metadata }: Resource<"Engine">): void {
  forgetAnnotation(metadata, FAILED_STARTS);
}

/** What it did not have the last time may be what it lacked: with that it is started at once. */
export function engineHasToWait(
  draft: Draft,
  { metadata }: Resource<"Engine">,
  offered: readonly string[],
): boolean {
  const failed = failedStarts(metadata);
  if (failed === null || offered.some((name) => !failed.with.includes(name))) return false;
  const at = parseTime(failed.at) + pauseMs(failed.count, ENGINE_RESTART_MS);
  if (draft.world.now >= at) return false;
  draft.lookAgain(at);
  return true;
}

export function hasFailedToStart({ metadata }: Resource<"Engine">): boolean {
  return failedStarts(metadata) !== null;
}

function failedStarts({ annotations }: Resource["metadata"]): FailedStarts | null {
  const text = annotations[FAILED_STARTS];
  return text === undefined ? null : (JSON.parse(text) as FailedStarts);
}
