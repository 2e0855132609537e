/**
 * A volume that is made of another one: what has to be done next. Pure. Facts: manager.md section 12.
 *
 *     "" --source found--> initiated --whole--> copy-completed-awaiting-healthy --healthy--> completed
 *                              '--no source, too many attempts--> failed
 *
 * While it is initiated nobody can use it: it has no frontend. Whether the copy is whole is seen by the chain of the target: the
 * replicas make the snapshot a part of it when all of it is there.
 */
import { createHash } from "node:crypto";
import { bytesOf } from "../objects/bytes.js";
import { isTrue } from "../objects/conditions.js";
import { isDeleted, type Resource } from "../objects/resource.js";
import type { EngineSnapshot } from "../operations.js";
import { cloneSource, isCloning } from "../volume/cloning.js";
import { parseTime } from "../volume/time.js";
import { formatTime } from "../../engine/timestamp.js";
import { ATTEMPT_DELAY_MS, ATTEMPTS_MAX } from "./limits.js";

type CloneStatus = Resource<"Volume">["status"]["cloneStatus"];
type Snapshots = Readonly<Record<string, EngineSnapshot>>;

export interface CloneEnd {
  volume: Resource<"Volume">;
  /** null: there is none */
  engine: Resource<"Engine"> | null;
  /** of the engine; null: it does not run, or has not said */
  snapshots: Snapshots | null;
}

export interface CloneWorld {
  /** ms since 1970 */
  now: number;
  target: CloneEnd;
  /** null: the volume that is named is not there */
  source: CloneEnd | null;
  /** why the Snapshot that was made for this could not be taken yet; "" */
  snapshotError: string;
  /** `running`: we wait for the end of a copy; `failed`: one has ended without success since it was decided last */
  copy: { is: "none" } | { is: "running" } | { is: "failed"; why: string };
}

export interface ClonePlan {
  status: CloneStatus;
  /** for people: what is waited for, or what went wrong */
  message: string;
  holdsSource: boolean;
  holdsTarget: boolean;
  /** a snapshot of the source has to be there under the name in the status */
  wantsSnapshot: boolean;
  /** the engines have to be told to copy */
  copies: boolean;
  event: { type: "Normal" | "Warning"; reason: string; message: string } | null;
  /** ms since 1970 */
  lookAgainAt: number | null;
}

export function decideClone(world: CloneWorld): ClonePlan {
  const { volume } = world.target;
  switch (volume.status.cloneStatus.state) {
    case "":
      return begin(world);
    case "initiated":
      return advance(world);
    case "copy-completed-awaiting-healthy":
      return awaitHealth(world);
    default:
      return rest(volume.status.cloneStatus, "");
  }
}

/** Nothing is asked for. */
function rest(status: CloneStatus, message: string): ClonePlan {
  return { status, message, holdsSource: false, holdsTarget: false, wantsSnapshot: false, copies: false, event: null, lookAgainAt: null }; // prettier-ignore
}

function begin(world: CloneWorld): ClonePlan {
  const { volume } = world.target;
  const { spec, status, metadata } = volume;
  const named = cloneSource(spec.dataSource);
  const problem = sourceProblem(world);
  if (named === null || problem !== null)
    return failed(volume, problem ?? `${spec.dataSource} is no source of a clone`);
  const snapshot = named.snapshot === "" ? snapshotName(metadata.uid) : named.snapshot;
  const initiated = { ...status.cloneStatus, state: "initiated", sourceVolume: named.volume, snapshot };
  const message = `volume ${metadata.name} becomes a copy of snapshot ${snapshot} of volume ${named.volume}`;
  return {
    ...rest(initiated, ""),
    event: { type: "Normal", reason: "VolumeCloneInitiated", message },
    lookAgainAt: world.now,
  };
}

/** As users' snapshots without a name are called; always the same for one volume. */
function snapshotName(uid: string): string {
  return `snap-${createHash("sha256").update(uid).digest("hex").slice(0, 16)}`;
}

/** @returns why it can never be a copy of that source; null: it may be */
function sourceProblem({ source, target: { volume } }: CloneWorld): string | null {
  if (source === null || isDeleted(source.volume)) return "the volume that it is to be a copy of is gone";
  const { size } = source.volume.spec;
  const isBegun = volume.status.cloneStatus.state !== "";
  if (!isBegun && bytesOf(size) !== bytesOf(volume.spec.size))
    return `volume ${source.volume.metadata.name} has ${size} bytes now, and not ${volume.spec.size}`;
  return null;
}

function advance(world: CloneWorld): ClonePlan {
  const { now, source, target, copy } = world;
  const { volume } = target;
  const { cloneStatus } = volume.status;
  if (isWhole(world)) return copied(volume);
  const problem = sourceProblem(world);
  if (problem !== null || source === null) return failed(volume, problem ?? "");
  if (copy.is === "failed") return attemptFailed(world, copy.why);
  const next = parseTime(cloneStatus.nextAllowedAttemptAt);
  if (now < next)
    return { ...rest(cloneStatus, `the next attempt is made at ${cloneStatus.nextAllowedAttemptAt}`), lookAgainAt: next }; // prettier-ignore
  const name = source.volume.metadata.name;
  if (isCloning(source.volume))
    return rest(cloneStatus, `volume ${name} is not whole itself: it becomes a copy`);
  const holding = { ...rest(cloneStatus, ""), holdsSource: true, holdsTarget: true };
  const isOwn = cloneSource(volume.spec.dataSource)?.snapshot === "";
  const snapshot = source.snapshots?.[cloneStatus.snapshot];
  if (source.snapshots === null)
    return { ...holding, wantsSnapshot: isOwn, message: `volume ${name} is waited for: it has to be attached` }; // prettier-ignore
  if (snapshot === undefined || snapshot.removed) {
    if (!isOwn) return failed(volume, `volume ${name} has no snapshot ${cloneStatus.snapshot}`);
    const why = world.snapshotError === "" ? "" : `: ${world.snapshotError}`;
    return { ...holding, wantsSnapshot: true, message: `snapshot ${cloneStatus.snapshot} of volume ${name} is waited for${why}` }; // prettier-ignore
  }
  if (copy.is === "running" || isUnderWay(target))
    return { ...holding, message: `snapshot ${cloneStatus.snapshot} of volume ${name} is being copied` };
  if (!isEmptyAndServing(target))
    return { ...holding, message: "the volume is waited for: it has to be attached without a frontend" };
  return { ...holding, copies: true, message: `snapshot ${cloneStatus.snapshot} of volume ${name} is being copied` }; // prettier-ignore
}

/** The snapshot is what the target's head lies on, and not one that somebody took of it under the same name. */
function isWhole({ target }: CloneWorld): boolean {
  const { snapshots, volume } = target;
  if (snapshots === null || isUnderWay(target)) return false;
  for (let name = snapshots["volume-head"]?.parent ?? ""; name !== "";) {
    const snapshot = snapshots[name];
    if (snapshot === undefined) return false;
    if (name === volume.status.cloneStatus.snapshot) return !snapshot.usercreated;
    name = snapshot.parent;
  }
  return false;
}

function isUnderWay({ engine }: CloneEnd): boolean {
  return Object.values(engine?.status.cloneStatus ?? {}).some((one) => one.isCloning);
}

function isEmptyAndServing({ engine, snapshots, volume }: CloneEnd): boolean {
  if (engine === null || snapshots === null || !engine.spec.disableFrontend) return false;
  const modes = Object.values(engine.status.replicaModeMap);
  return volume.status.state === "attached" && modes.length > 0 && modes.every((mode) => mode === "RW");
}

function attemptFailed({ now, target }: CloneWorld, why: string): ClonePlan {
  const { volume } = target;
  const { cloneStatus } = volume.status;
  const attemptCount = cloneStatus.attemptCount + 1;
  if (attemptCount >= ATTEMPTS_MAX) return failed(volume, `${ATTEMPTS_MAX} attempts failed, the last one: ${why}`); // prettier-ignore
  const at = now + ATTEMPT_DELAY_MS * 2 ** (attemptCount - 1);
  const nextAllowedAttemptAt = formatTime(at);
  const message = `attempt ${attemptCount} of ${ATTEMPTS_MAX} failed, the next one is made at ${nextAllowedAttemptAt}: ${why}`;
  return {
    ...rest({ ...cloneStatus, attemptCount, nextAllowedAttemptAt }, message),
    event: { type: "Warning", reason: "VolumeCloneFailed", message: `volume ${volume.metadata.name}: ${message}` },
    lookAgainAt: at,
  }; // prettier-ignore
}

function failed({ metadata, status }: Resource<"Volume">, why: string): ClonePlan {
  return {
    ...rest({ ...status.cloneStatus, state: "failed" }, why),
    event: { type: "Warning", reason: "VolumeCloneFailed", message: `volume ${metadata.name}: ${why}` },
  };
}

function copied({ metadata, status }: Resource<"Volume">): ClonePlan {
  const message = `volume ${metadata.name} is a whole copy; its replicas are waited for`;
  return {
    ...rest({ ...status.cloneStatus, state: "copy-completed-awaiting-healthy" }, message),
    holdsTarget: true,
    event: { type: "Warning", reason: "VolumeCloneCopyCompleteAwaitingHealthy", message },
  };
}

/** Where there is no place for another replica there is nothing to be waited for. */
function awaitHealth({ target }: CloneWorld): ClonePlan {
  const { metadata, spec, status } = target.volume;
  const { robustness, conditions, cloneStatus } = status;
  const modes = Object.values(target.engine?.status.replicaModeMap ?? {});
  const isHealthy = modes.filter((mode) => mode === "RW").length >= spec.numberOfReplicas;
  const lacksPlaces = robustness === "degraded" && !isTrue(conditions, "Scheduled");
  if (!isHealthy && !lacksPlaces)
    return { ...rest(cloneStatus, "the copy is whole; its replicas are waited for"), holdsTarget: true };
  const message = `volume ${metadata.name} is a copy of volume ${cloneStatus.sourceVolume}`;
  return {
    ...rest({ ...cloneStatus, state: "completed" }, ""),
    event: { type: "Normal", reason: "VolumeCloneCompleted", message },
  };
}
