/** What engine and processes say of the replicas, as their objects keep it: since when each is whole, or has failed. */
import type { Resource } from "../objects/resource.js";
import { isCloning } from "./cloning.js";
import type { Draft } from "./draft.js";
import { noteLeftOut } from "./left-out.js";
import { forgetRefusals, noteRefusal } from "./refusals.js";
import { parseTime } from "./time.js";

/** Of a volume that was attached once: replicas of it that hold nothing would be passed off as its data. */
const HAS_DATA = "aurochs.io/has-data";

export function noteModes(draft: Draft): void {
  for (const replica of draft.replicas) {
    if (replica.status.currentState === "error") noteEnd(draft, replica);
    else if (!hasData(replica) && !draft.isThere(replica)) failNew(draft, replica);
  }
  for (const replica of draft.going) if (replica.status.currentState === "error") noteStop(draft, replica);
  for (const replica of draft.inMode("RW")) {
    const { spec } = replica;
    const isSeen = isWhole(replica) && parseTime(spec.lastHealthyAt) > parseTime(spec.lastFailedAt);
    if (spec.healthyAt === "") {
      spec.healthyAt = draft.now;
      forgetRefusals(draft);
    }
    spec.failedAt = "";
    // What has ended is waited for by its engine, without any other.
    if (hasEnded(replica)) continue;
    // One that was only named to count again, by a salvage, is whole as of now.
    if (!isSeen) spec.lastHealthyAt = draft.now;
    noteSteady(draft, replica);
  }
  for (const replica of draft.inMode("ERR")) {
    if (!hasData(replica) && !hasFailed(replica)) noteRefusal(draft, replica);
    fail(draft, replica);
  }
  for (const replica of draft.replicas) noteLeftOut(draft, replica, couldBeTaken(draft, replica));
  const { volume } = draft;
  if (!isCloning(volume) && draft.replicas.some(hasData)) volume.metadata.annotations[HAS_DATA] = "true";
}

/** ms that it stays whole until earlier ends of its process are forgotten: one that ends as soon as it runs is started ever later. */
const STEADY_MS = 60_000;

function noteSteady(draft: Draft, { spec }: Resource<"Replica">): void {
  if (spec.rebuildRetryCount === 0) return;
  const at = parseTime(spec.lastHealthyAt) + STEADY_MS;
  if (draft.world.now < at) draft.lookAgain(at);
  else spec.rebuildRetryCount = 0;
}

/** It runs, and its engine has not got it. */
function couldBeTaken(draft: Draft, replica: Resource<"Replica">): boolean {
  const { spec, status } = replica;
  const runs = spec.desireState === "running" && status.currentState === "running";
  return runs && draft.inMode("ERR").includes(replica);
}

/** Its process ended by itself, or was not started. It is tried again, each time after a longer wait; of one that was never whole
 * another one is made. While its volume is being attached a whole copy has not failed: no engine goes on without it yet. */
function noteEnd(draft: Draft, replica: Resource<"Replica">): void {
  const { state } = draft.volume.status;
  if (!noteStop(draft, replica) || (state === "attaching" && isWhole(replica))) return;
  if (state === "attached" && !hasData(replica) && !hasFailed(replica)) noteRefusal(draft, replica);
  fail(draft, replica);
}

/** @returns whether it was to run */
function noteStop(draft: Draft, { spec }: Resource<"Replica">): boolean {
  if (spec.desireState !== "running") return false;
  spec.desireState = "stopped";
  spec.rebuildRetryCount++;
  spec.lastFailedAt = draft.now;
  return true;
}

/** It was never whole, and its node or disk is gone: another one is made sooner than it would be. */
function failNew(draft: Draft, replica: Resource<"Replica">): void {
  if (draft.volume.status.state === "attached") fail(draft, replica);
}

/** Its copy is not counted on any more, until an engine says that it is whole. */
export function fail(draft: Draft, { spec }: Resource<"Replica">): void {
  if (spec.failedAt !== "") return;
  spec.failedAt = spec.lastFailedAt = draft.now;
}

/** It was whole once, and may be what a volume is to be had from. */
export function hasData({ spec }: Resource<"Replica">): boolean {
  return spec.healthyAt !== "";
}

/** Some replica of it was whole once, whether or not it is still there. */
export function wasWhole(volume: Resource<"Volume">): boolean {
  return volume.metadata.annotations[HAS_DATA] === "true";
}

/** It has data, and none of the replicas that are known has them. */
export function hasLostAll({ volume, replicas }: Draft): boolean {
  return wasWhole(volume) && !replicas.some(hasData);
}

/** Nothing serves it now, as its node says. */
export function hasEnded({ status }: Resource<"Replica"> | Resource<"Engine">): boolean {
  return ["", "stopped", "error"].includes(status.currentState);
}

export function hasFailed({ spec }: Resource<"Replica">): boolean {
  return spec.failedAt !== "";
}

export function isWhole(replica: Resource<"Replica">): boolean {
  return hasData(replica) && !hasFailed(replica);
}
