/**
 * Which replicas a volume gets and gives up. One change at a time, and never fewer whole copies than before: what takes the
 * place of another one is whole before that goes.
 */
import type { Resource } from "../objects/resource.js";
import { better } from "../schedule/balance.js";
import { place, type Taken, type Want } from "../schedule/place.js";
import { surplus } from "../schedule/surplus.js";
import { isCloning, wantedReplicas } from "./cloning.js";
import type { Draft } from "./draft.js";
import { isOn } from "./engine-wishes.js";
import { isLeftOut } from "./left-out.js";
import { homeOf, isStrictlyLocal } from "./locality.js";
import { hasData, hasFailed, hasLostAll, isWhole } from "./modes.js";
import { newReplica } from "./objects.js";
import { isPausing, withoutRefusing } from "./refusals.js";
import { hasEndedBadly, REBUILD_TRIES_MAX, tryAgain } from "./restart.js";
import { explainRefusals, noteScheduled, type Unplaced } from "./scheduled.js";
import { parseTime } from "./time.js";

const MINUTE_MS = 60_000;
const RETRY_MS = 30_000;

/** ms until it is asked again whether a rebuild of another volume has ended: many take seconds. */
const REBUILD_POLL_MS = 2_000;

export function replan(draft: Draft): void {
  const { state } = draft.volume.status;
  noteEvictions(draft);
  if (state === "attached") noteScheduled(draft, replanAttached(draft));
  else if (
    state === "creating" ||
    state === "detached" ||
    (state === "attaching" && draft.replicas.length === 0)
  )
    noteScheduled(draft, placeFirst(draft));
}

/** A strict-local volume that is about to be attached has its copy there: an empty one elsewhere gives way. */
export function giveUpStrays(draft: Draft): void {
  const { volume, replicas } = draft;
  if (!isStrictlyLocal(volume) || volume.status.state !== "detached" || volume.spec.nodeID === "") return;
  if (replicas.some(hasData) || hasLostAll(draft)) return;
  for (const replica of replicas.filter(({ spec }) => spec.nodeID !== volume.spec.nodeID))
    draft.delete(replica);
}

/** While nothing was ever written all replicas are alike, and are made at once: that of a strict-local volume when it is known where. */
function placeFirst(draft: Draft): Unplaced | null {
  if (hasLostAll(draft)) return null;
  const leaving = draft.replicas.filter((replica) => replica.spec.evictionRequested && !hasData(replica));
  const isLater = isStrictlyLocal(draft.volume) && draft.volume.spec.nodeID === "";
  if (isLater || draft.replicas.some(hasData)) {
    // Others are made when it is attached. One that was made equal when the engine ended may be all that is current.
    const isKnown = draft.engine === null || !hasEndedBadly(draft.engine);
    if (isKnown && (isLater || draft.replicas.some(isWhole)))
      for (const replica of leaving) draft.delete(replica);
    return null;
  }
  let missing = wantedReplicas(draft.volume) - draft.replicas.length;
  const taken = draft.replicas.map(takenBy);
  for (; missing > 0; missing--) {
    const unplaced = add(draft, taken, "");
    if (unplaced !== null) {
      draft.lookAgain(draft.world.now + RETRY_MS);
      return unplaced;
    }
  }
  for (const replica of leaving) {
    const unplaced = add(draft, taken, "");
    if (unplaced === null) draft.delete(replica);
    else tellEvictionFailed(draft, unplaced);
  }
  return null;
}

function replanAttached(draft: Draft): Unplaced | null {
  removeStale(draft);
  // What is being written by nobody but the copy of another volume stays where it is.
  if (isCloning(draft.volume) || isBusy(draft)) return null;
  const whole = draft.inMode("RW");
  const { numberOfReplicas } = draft.volume.spec;
  if (whole.length < numberOfReplicas) return replenish(draft);
  if (whole.length > numberOfReplicas) return removeSurplus(draft, whole);
  return evict(draft, whole) ?? bringHome(draft, whole) ?? spread(draft, whole) ?? balance(draft, whole);
}

/** One that is made equal, or was made just now and does not serve yet: its end is waited for. Nor is anything known of copies while
 * the engine does not tell. */
function isBusy(draft: Draft): boolean {
  const { volume, engine, replicas } = draft;
  if (engine?.status.currentState !== "running") return true;
  if (engine.status.isExpanding || volume.status.expansionRequired) return true;
  const modes = engine.status.replicaModeMap;
  return replicas.some(
    (replica) => modes[replica.metadata.name] === "WO" || (!hasData(replica) && !hasFailed(replica)),
  );
}

// ------------------------------------------------------------------------------------------------ too few

/** First those that were whole: they lack only what changed since. Another one is made when none comes back in time. */
function replenish(draft: Draft): Unplaced | null {
  const { volume, settings, world } = draft;
  const back = draft.replicas.filter((replica) => hasFailed(replica) && mayComeBack(replica));
  const [newest] = back
    .filter((replica) => mayStart(draft, replica))
    .sort((a, b) => parseTime(b.spec.failedAt) - parseTime(a.spec.failedAt));
  if (newest !== undefined && mayRebuildOn(draft, newest.spec.nodeID)) tryAgain(draft, newest);
  const wait = settings.number("replica-replenishment-wait-interval") * 1_000;
  const until = parseTime(volume.status.lastDegradedAt) + wait;
  if (back.length > 0 && world.now < until) {
    draft.lookAgain(until + 1_000);
    return null;
  }
  const kept = draft.replicas.filter((replica) => !hasFailed(replica));
  const unplaced = addApart(draft, kept);
  if (unplaced !== null) {
    draft.lookAgain(world.now + RETRY_MS);
    tryExhausted(draft);
  }
  return unplaced;
}

/** Failed, and may come back by itself. */
function returning(draft: Draft): Resource<"Replica">[] {
  return draft.replicas.filter((one) => hasFailed(one) && mayComeBack(one) && draft.isThere(one));
}

/** One more, and not beside what may come back: there would be two on one node in the end. Only where there is no other place it is
 * put beside one that its engine has left out for long.
 * @param kept that count */
function addApart(draft: Draft, kept: readonly Resource<"Replica">[]): Unplaced | null {
  const back = returning(draft);
  const unplaced = add(draft, [...kept, ...back].map(takenBy), "");
  const awaited = back.filter((replica) => !isLeftOut(draft, replica));
  if (unplaced === null || awaited.length === back.length) return unplaced;
  return add(draft, [...kept, ...awaited].map(takenBy), "");
}

/** There is no place for another one: then also what was tried often enough is better than nothing. */
function tryExhausted(draft: Draft): void {
  const [newest] = draft.replicas
    .filter((replica) => hasFailed(replica) && hasData(replica) && !replica.spec.evictionRequested)
    .filter((replica) => mayStart(draft, replica))
    .sort((a, b) => parseTime(b.spec.failedAt) - parseTime(a.spec.failedAt));
  if (newest !== undefined && mayRebuildOn(draft, newest.spec.nodeID)) tryAgain(draft, newest);
}

function mayStart(draft: Draft, replica: Resource<"Replica">): boolean {
  return replica.spec.desireState !== "running" && draft.isThere(replica);
}

export function mayComeBack({ spec }: Resource<"Replica">): boolean {
  return spec.healthyAt !== "" && !spec.evictionRequested && spec.rebuildRetryCount < REBUILD_TRIES_MAX;
}

/** Never whole: given up. Failed for long, or tried often enough: given up when the volume has the copies that it wants. Until then the
 * last of those may be lost, and this one be all that is left. */
function removeStale(draft: Draft): void {
  const { volume, world } = draft;
  const whole = draft.inMode("RW");
  if (whole.length === 0) return;
  const age = (volume.spec.staleReplicaTimeout > 0 ? volume.spec.staleReplicaTimeout : 2880) * MINUTE_MS;
  for (const replica of [...draft.replicas]) {
    const { spec } = replica;
    if (!hasFailed(replica)) continue;
    const until = parseTime(spec.failedAt) + age;
    const isEnough = spec.rebuildRetryCount >= REBUILD_TRIES_MAX || world.now >= until;
    if (!hasData(replica) || (isEnough && whole.length >= wantedReplicas(volume))) draft.delete(replica);
    else if (!isEnough) draft.lookAgain(until);
  }
}

// ------------------------------------------------------------------------------------------------ too many, or elsewhere

function removeSurplus(draft: Draft, whole: Resource<"Replica">[]): null {
  const keepOn = draft.volume.spec.dataLocality === "disabled" ? "" : draft.volume.status.currentNodeID;
  const spares = whole.map((replica) => ({ ...takenBy(replica), name: replica.metadata.name }));
  const spare = surplus(draft.world.cluster, spares, keepOn);
  const replica = whole.find(({ metadata }) => metadata.name === spare?.name);
  if (replica !== undefined) draft.delete(replica);
  return null;
}

function noteEvictions(draft: Draft): void {
  for (const replica of draft.replicas) {
    const { metadata, spec } = replica;
    const node = draft.world.cluster.nodes.find(({ name }) => name === spec.nodeID);
    const disk = node?.disks.find(({ uuid }) => uuid === spec.diskID);
    const isRequested = (node?.evicting ?? false) || (disk?.evicting ?? false);
    if (isRequested === spec.evictionRequested) continue;
    spec.evictionRequested = isRequested;
    const { name } = metadata;
    if (isRequested) draft.event("Normal", "EvictionUserRequested", `replica ${name} is to leave node ${spec.nodeID}`, replica); // prettier-ignore
    else draft.event("Normal", "EvictionCanceled", `replica ${name} may stay on node ${spec.nodeID}`, replica); // prettier-ignore
  }
}

function evict(draft: Draft, whole: readonly Resource<"Replica">[]): Unplaced | null {
  if (!whole.some(({ spec }) => spec.evictionRequested)) return null;
  const [back] = returning(draft)
    .filter((replica) => mayStart(draft, replica) && mayRebuildOn(draft, replica.spec.nodeID))
    .filter(({ spec }) => place(draft.world.cluster, want(draft, whole.map(takenBy), spec.nodeID)).placed);
  if (back !== undefined) {
    tryAgain(draft, back);
    return null;
  }
  const unplaced = addApart(draft, whole);
  if (unplaced !== null) tellEvictionFailed(draft, unplaced);
  return null;
}

export function tellEvictionFailed(draft: Draft, why: Pick<Unplaced, "failures" | "refusals">): void {
  const message = `no other place for a replica of volume ${draft.volume.metadata.name}: ${explainRefusals(why)}`;
  draft.event("Warning", "EvictionFailed", message);
  draft.lookAgain(draft.world.now + RETRY_MS);
}

/** A copy on the node that uses the volume: one more, and then one elsewhere is too many. */
function bringHome(draft: Draft, whole: readonly Resource<"Replica">[]): Unplaced | null {
  const { spec, status } = draft.volume;
  const home = status.currentNodeID;
  if (spec.dataLocality === "disabled" || whole.some((replica) => replica.spec.nodeID === home)) return null;
  if (draft.created.length > 0) return null;
  const there = returning(draft).find((one) => one.spec.nodeID === home && !isLeftOut(draft, one));
  if (there !== undefined) {
    if (mayRebuildOn(draft, home)) tryAgain(draft, there);
    return null;
  }
  const unplaced = add(draft, whole.map(takenBy), home);
  return unplaced === null ? null : { ...unplaced, local: true };
}

/** One that its engine had left out for long was given up on, another one put beside it, and then it came back: one more elsewhere,
 * and one of the two is too many. */
function spread(draft: Draft, whole: readonly Resource<"Replica">[]): null {
  const taken = whole.map(takenBy);
  const isApart = new Set(taken.map(({ node }) => node)).size === taken.length;
  if (!isApart && draft.created.length === 0 && !want(draft, taken, "").shares.node) add(draft, taken, "");
  return null;
}

function balance(draft: Draft, whole: readonly Resource<"Replica">[]): null {
  const { volume, settings, world } = draft;
  const own = volume.spec.replicaAutoBalance;
  const mode = own === "" || own === "ignored" ? settings.text("replica-auto-balance") : own;
  if (draft.created.length > 0 || (mode !== "least-effort" && mode !== "best-effort")) return null;
  const pressure = settings.number("replica-auto-balance-disk-pressure-percentage");
  const found = better(world.cluster, want(draft, whole.map(takenBy), ""), mode, pressure);
  if (found === null || isPausing(draft) || !mayRebuildOn(draft, found.node)) return null;
  const place = { node: found.node, diskUUID: found.disk.uuid, diskPath: found.disk.path };
  draft.create(newReplica(volume, place, world.newSuffix(), homeOf(volume, draft.replicas)));
  return null;
}

// ------------------------------------------------------------------------------------------------ places

/** @param taken of the replicas that count; one that is added is put there
 * @param node the only one that may be used; "": any that the volume's locality allows */
function add(draft: Draft, taken: Taken[], node: string): Unplaced | null {
  const { volume, world } = draft;
  const wanted = want(draft, taken, node);
  const elsewhere = place(withoutRefusing(draft), wanted);
  const found = elsewhere.placed ? elsewhere : place(world.cluster, wanted);
  if (!found.placed) return { failures: found.failures, refusals: found.refusals, local: false };
  const isAttached = volume.status.state === "attached";
  if (isAttached && isPausing(draft)) return null;
  if (isAttached && !mayRebuildOn(draft, found.node)) return null;
  const { uuid: diskUUID, path: diskPath } = found.disk;
  const hardNode = node || homeOf(volume, draft.replicas);
  draft.create(newReplica(volume, { node: found.node, diskUUID, diskPath }, world.newSuffix(), hardNode));
  taken.push({ node: found.node, diskUUID, evicting: false });
  return null;
}

/** Where as many are being made equal as may be, it is looked at again later: nobody tells when one of another volume is. */
function mayRebuildOn(draft: Draft, node: string): boolean {
  const { settings, world } = draft;
  const most = settings.number("concurrent-replica-rebuild-per-node-limit");
  if ((world.rebuilding.get(node) ?? 0) < most) return true;
  if (most > 0) draft.lookAgain(world.now + REBUILD_POLL_MS);
  return false;
}

export function want(draft: Draft, taken: readonly Taken[], node: string): Want {
  const { volume, settings } = draft;
  const { spec, status } = volume;
  return {
    size: Number(spec.size),
    actualSize: status.actualSize,
    nodeSelector: spec.nodeSelector,
    diskSelector: spec.diskSelector,
    node: node || homeOf(volume, draft.replicas),
    shares: {
      node: isOn(spec.replicaSoftAntiAffinity, settings.flag("replica-soft-anti-affinity")),
      zone: isOn(spec.replicaZoneSoftAntiAffinity, settings.flag("replica-zone-soft-anti-affinity")),
      disk: isOn(spec.replicaDiskSoftAntiAffinity, settings.flag("replica-disk-soft-anti-affinity")),
    },
    taken,
    witness: draft.witnesses.find(({ spec }) => !spec.voter)?.spec.nodeID ?? "",
  };
}

export function takenBy({ spec }: Resource<"Replica">): Taken {
  return { node: spec.nodeID, diskUUID: spec.diskID, evicting: spec.evictionRequested };
}
