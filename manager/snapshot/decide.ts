/**
 * Snapshot objects and the snapshots that an engine has: what has to be done so that they are the same. Pure.
 * Facts: manager.md section 8.
 *
 *     createSnapshot --taken--> ready --deleted--> marked removed --purged--> gone
 *
 * What is below the head stays, marked, until there is a newer one.
 */
import { bytesOf } from "../objects/bytes.js";
import { FINALIZER, isDeleted, type NewResource, type Resource } from "../objects/resource.js";
import type { EngineSnapshot } from "../operations.js";
import { ownLabels } from "../volume/objects.js";
import { snapshotName } from "./name.js";

type Snapshot = Resource<"Snapshot">;

export interface SnapshotWorld {
  /** RFC 3339 */
  now: string;
  volume: Resource<"Volume">;
  /** by name, the head among them; of an engine that does not run what it said last */
  present: Readonly<Record<string, EngineSnapshot>>;
  /** the engine runs and can be asked to do something about snapshots */
  isServing: boolean;
  /** the engine removes snapshots already */
  isPurging: boolean;
  /** a purge may be begun: the settings allow it, and all replicas are whole */
  mayPurge: boolean;
  /** what the system has made for itself is to go */
  cleansSystem: boolean;
  /** of this volume */
  objects: readonly Snapshot[];
}

export interface SnapshotEvent {
  object: Snapshot;
  type: "Normal" | "Warning";
  reason: "Create" | "Delete" | "Failed";
  message: string;
}

export interface SnapshotPlan {
  created: NewResource<"Snapshot">[];
  /** with the status that they have to have */
  objects: Snapshot[];
  /** that nobody has deleted, and that stand for nothing any more */
  deleted: Snapshot[];
  /** deleted, and there is nothing of them left */
  released: Snapshot[];
  /** the engine has to make them */
  take: Snapshot[];
  /** the engine has to mark them as removed */
  mark: string[];
  purge: boolean;
  /** objects that wait for an engine */
  waiting: Snapshot[];
  events: SnapshotEvent[];
}

const HEAD = "volume-head";

export function decideSnapshots(world: SnapshotWorld): SnapshotPlan {
  const plan: SnapshotPlan = { created: [], objects: [], deleted: [], released: [], take: [], mark: [], purge: false, waiting: [], events: [] }; // prettier-ignore
  for (const object of structuredClone(world.objects)) decideObject(world, plan, object);
  if (!world.isServing) return plan;
  const known = new Set(world.objects.map(snapshotName));
  for (const snapshot of Object.values(world.present))
    if (snapshot.name !== HEAD && !known.has(snapshot.name)) plan.created.push(newObject(world, snapshot));
  plan.purge = world.mayPurge && !world.isPurging && Object.values(world.present).some((one) => isToGo(world, plan, one)); // prettier-ignore
  return plan;
}

function decideObject(world: SnapshotWorld, plan: SnapshotPlan, object: Snapshot): void {
  const name = snapshotName(object);
  const found = world.present[name];
  if (found === undefined) {
    decideMissing(world, plan, object);
    return;
  }
  if (object.status.creationTime === "") tell(plan, object, "Create", createdMessage(name));
  // What was removed below it went into its file.
  if (object.status.parent !== found.parent) object.status.checksum = "";
  const before = object.status.creationTime;
  Object.assign(object.status, statusOf(world, found));
  if (found.created === "" && before !== "") object.status.creationTime = before;
  if (isDeleted(object)) object.status.readyToUse = false;
  plan.objects.push(object);
  if (!isDeleted(object)) return;
  if (!found.removed) {
    plan.waiting.push(object);
    if (world.isServing) plan.mark.push(name);
  } else if (isPurgeable(found) && world.mayPurge) plan.waiting.push(object);
}

function decideMissing(world: SnapshotWorld, plan: SnapshotPlan, object: Snapshot): void {
  const { spec, status } = object;
  const name = snapshotName(object);
  if (isDeleted(object) && !world.isServing && !areKnown(world.present) && status.creationTime !== "")
    plan.waiting.push(object);
  else if (isDeleted(object)) {
    tell(plan, object, "Delete", `snapshot ${name} is gone`);
    plan.released.push(object);
  } else if (spec.createSnapshot && status.creationTime === "") {
    plan.waiting.push(object);
    if (world.isServing) plan.take.push(object);
  } else if (!world.isServing) plan.objects.push(object);
  else if (status.creationTime !== "") plan.deleted.push(object);
  else {
    fail(plan, object, `volume ${spec.volume} has no snapshot ${name}`);
    plan.objects.push(object);
  }
}

/** An engine has said which snapshots there are: without a copy that is whole it has nobody to ask. */
export function areKnown(present: Readonly<Record<string, unknown>>): boolean {
  return present[HEAD] !== undefined;
}

function statusOf({ now, volume }: SnapshotWorld, found: EngineSnapshot): Partial<Snapshot["status"]> {
  return {
    children: found.children,
    // That of another volume, which was copied, has none.
    creationTime: found.created || now,
    error: "",
    labels: found.labels,
    markRemoved: found.removed,
    parent: found.parent,
    readyToUse: !found.removed,
    restoreSize: bytesOf(volume.spec.size),
    size: Number(found.size),
    userCreated: found.usercreated,
  };
}

/** It could not be made, or never was there. */
export function fail(plan: Pick<SnapshotPlan, "events">, object: Snapshot, why: string): void {
  const { status } = object;
  status.readyToUse = false;
  if (status.error === why) return;
  status.error = why;
  plan.events.push({ object, type: "Warning", reason: "Failed", message: why });
}

export function createdMessage(name: string): string {
  return `snapshot ${name} is there`;
}

function tell(plan: SnapshotPlan, object: Snapshot, reason: "Create" | "Delete", message: string): void {
  plan.events.push({ object, type: "Normal", reason, message });
}

/** What a purge takes away: not what the head lies on, and not what several lie on. */
function isPurgeable({ children }: EngineSnapshot): boolean {
  const names = Object.keys(children);
  return names.length <= 1 && !names.includes(HEAD);
}

/** Something is left that the end of a purge would not leave. */
export function hasPurgeable(snapshots: Readonly<Record<string, EngineSnapshot>>): boolean {
  return Object.values(snapshots).some(
    (one) => one.name !== HEAD && (one.removed || !one.usercreated) && isPurgeable(one),
  );
}

function isToGo({ objects, cleansSystem }: SnapshotWorld, plan: SnapshotPlan, one: EngineSnapshot): boolean {
  const { name, removed, usercreated } = one;
  if (name === HEAD) return false;
  // A purge marks what the system has made, so that what could not go now goes later.
  if (!usercreated && cleansSystem) return !removed || isPurgeable(one);
  const isWanted = objects.some((object) => snapshotName(object) === name && isDeleted(object));
  return isWanted && (removed || plan.mark.includes(name)) && isPurgeable(one);
}

function newObject(world: SnapshotWorld, snapshot: EngineSnapshot): NewResource<"Snapshot"> {
  const { name, uid } = world.volume.metadata;
  return {
    kind: "Snapshot",
    name: snapshot.name,
    finalizers: [FINALIZER],
    labels: ownLabels(name),
    ownerReferences: [{ kind: "Volume", name, uid }],
    spec: { createSnapshot: false, volume: name, labels: {} },
    status: statusOf(world, snapshot),
  };
}
