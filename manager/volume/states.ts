/**
 * creating --engine there--> detached --node wished--> attaching --engine serves--> attached
 *                               ^                           `--wish gone, engine failed--. |
 *                               '--all stopped-- detaching <----------------------------'-'
 */
import type { Resource } from "../objects/resource.js";
import type { Draft } from "./draft.js";
import { isSalvaging } from "./forced-salvage.js";
import { fail, hasData, hasEnded, hasFailed } from "./modes.js";
import {
  engineHasToWait,
  forgetBadEnd,
  forgetFailedStarts,
  hasToPause,
  noteBadEnd,
  noteFailedStart,
  stopOnLostDisks,
  tryAgain,
} from "./restart.js";
import { addressOf, isServing } from "./serving.js";
import { hasToWait } from "./witness.js";

export function move(draft: Draft): void {
  const { status, spec } = draft.volume;
  switch (status.state) {
    case "creating":
      if (draft.engine === null) return;
      status.state = "detached";
      break;
    case "detached":
      if (spec.nodeID === "" || status.robustness === "faulted") {
        rest(draft);
        return;
      }
      // Stored before anything is started: of what is detached nothing runs, nor is about to.
      status.state = "attaching";
      break;
    case "attaching":
      if (spec.nodeID === "") stop(draft);
      else start(draft);
      break;
    case "attached":
      serve(draft);
      break;
    case "detaching":
      stop(draft);
      break;
    default:
      throw new Error(`volume ${draft.volume.metadata.name}: state ${status.state} is not known`);
  }
}

/** Where both a process and its node are beyond reach, nothing can be waited for; generations fence what may still run. */
function isStopped(draft: Draft, instance: Resource<"Engine"> | Resource<"Replica">): boolean {
  const { currentState } = instance.status;
  if (currentState === "" || currentState === "stopped") return true;
  return !draft.world.reachable.has(instance.spec.nodeID);
}

/** On a disk that hangs it ends when that goes on, if ever. It has been asked to, and no engine is left that it could serve: one that
 * comes next fences it, and none is started there. */
function isReplicaStopped(draft: Draft, replica: Resource<"Replica">): boolean {
  return (
    isStopped(draft, replica) || (replica.status.currentState === "stopping" && draft.isOnLostDisk(replica))
  );
}

function rest(draft: Draft): void {
  if (draft.engine !== null) draft.engine.spec.desireState = "stopped";
  for (const { spec } of allOf(draft)) spec.desireState = "stopped";
}

/** That an engine has to do with. */
function allOf({ replicas, going }: Draft): Resource<"Replica">[] {
  return [...replicas, ...going];
}

/** Replicas first; the engine when all that can run do: it decides itself whether those are enough. */
function start(draft: Draft): void {
  const { volume, engine } = draft;
  if (engine === null) return;
  const { nodeID } = volume.spec;
  if (engine.spec.desireState === "running") {
    awaitEngine(draft, engine);
    return;
  }
  if (!isStopped(draft, engine) || !draft.world.reachable.has(nodeID)) return;
  // On a disk that is lost, as one that is not mounted, it would begin anew, and its nothing be taken for the volume's data.
  const [here, away] = split(allOf(draft), (replica) => draft.isThere(replica));
  const isGoing = (replica: Resource<"Replica">) => draft.going.includes(replica);
  const [sound, others] = split(here, (replica) => !hasFailed(replica) && !isGoing(replica));
  for (const replica of sound) run(draft, replica);
  // What failed last may be the copy that is current: that is for the engine to decide, by the records of all that can be had.
  // Before anything was written it may be any of them.
  const isNew = !draft.replicas.some(hasData);
  const running = here.filter(isServing);
  // Also one that was never seen whole may have become so just before its engine ended: beside one that was.
  const isOffered = (replica: Resource<"Replica">) => isNew || hasData(replica) || running.some(hasData);
  for (const replica of others) if (isOffered(replica)) tryAgain(draft, replica);
  // One that ends again and again, or is not started by its node's agent, is no longer waited for: it is tried again later.
  const isAwaited = (one: Resource<"Replica">) => (sound.includes(one) ? !hasToPause(draft, one) : isStarting(one)); // prettier-ignore
  if (running.length === 0 || here.some((one) => isAwaited(one) && !isServing(one))) return;
  if (isWitnessStarting(draft)) return;
  if (engine.spec.nodeID !== nodeID) forgetFailedStarts(engine);
  if (engineHasToWait(draft, engine, offered(draft))) return;
  // Those that are away with their nodes: an engine that knows where they were takes them back. What hangs with its disk would keep it
  // waiting, and be none that it takes back: that is added when it runs again.
  const isKnown = (one: Resource<"Replica">) => hasData(one) && one.status.port > 0 && !draft.isOnLostDisk(one); // prettier-ignore
  const known = away.filter(isKnown);
  Object.assign(engine.spec, {
    nodeID,
    disableFrontend: volume.spec.disableFrontend,
    frontend: volume.spec.frontend,
    replicaAddressMap: Object.fromEntries(
      [...running, ...known].map((replica) => [replica.metadata.name, addressOf(replica)]),
    ),
    desireState: "running",
    salvageRequested: isSalvaging(volume),
  });
}

/** What an engine has to do with if it is started now. */
function offered(draft: Draft): string[] {
  return [...allOf(draft), ...draft.witnesses]
    .filter((one) => isServing(one) && draft.world.reachable.has(one.spec.nodeID))
    .map(({ metadata }) => metadata.name);
}

function split<T>(all: readonly T[], belongs: (one: T) => boolean): [T[], T[]] {
  return [all.filter(belongs), all.filter((one) => !belongs(one))];
}

function isStarting({ spec, status }: Resource<"Replica">): boolean {
  return spec.desireState === "running" && status.currentState !== "error";
}

/** One that cannot be started is not waited for: an engine may do without it. */
function isWitnessStarting(draft: Draft): boolean {
  const { witnesses, world } = draft;
  return witnesses
    .filter((one) => world.reachable.has(one.spec.nodeID) && !draft.isOnLostDisk(one) && !isServing(one))
    .some((witness) => witness.status.currentState !== "error" && !hasToWait(draft, witness));
}

function awaitEngine(draft: Draft, engine: Resource<"Engine">): void {
  const { volume } = draft;
  const { currentState, endpoint } = engine.status;
  const isOther = engine.spec.nodeID !== volume.spec.nodeID || (isSalvaging(volume) && !engine.spec.salvageRequested); // prettier-ignore
  if (currentState === "error" || isOther) {
    if (currentState === "error") {
      noteFailedStart(draft, engine, offered(draft));
      noteBadEnd(engine);
    }
    engine.spec.desireState = "stopped";
    return;
  }
  if (currentState === "running") keepRunning(draft);
  const serves = endpoint !== "" || engine.spec.disableFrontend || engine.spec.frontend === "";
  if (currentState !== "running" || !serves || !draft.isReadable) return;
  // It has recorded that it goes on without them, and not before: until then one of them may be what the next start needs.
  const served = [...draft.inMode("RW"), ...draft.inMode("WO")];
  for (const replica of draft.replicas)
    if (hasData(replica) && !served.includes(replica)) fail(draft, replica);
  forgetFailedStarts(engine);
  forgetBadEnd(engine);
  volume.status.state = "attached";
  volume.status.currentNodeID = volume.spec.nodeID;
  volume.status.frontendDisabled = engine.spec.disableFrontend;
  draft.event("Normal", "Attached", `volume ${volume.metadata.name} is attached to ${volume.spec.nodeID}`);
}

function serve(draft: Draft): void {
  const { volume, engine } = draft;
  const { status, spec, metadata } = volume;
  const ended = engine === null || ["error", "stopped"].includes(engine.status.currentState);
  if (ended) {
    const why = engine?.status.conditions.find(
      (one) => one.type === "InstanceCreation" && one.status === "False",
    );
    const because = why === undefined ? "" : `: ${why.message}`;
    draft.event("Warning", "DetachedUnexpectedly", `the engine of volume ${metadata.name} ended${because}`);
    status.remountRequestedAt = draft.now;
    if (engine !== null) noteBadEnd(engine);
  }
  if (ended || spec.nodeID !== status.currentNodeID) {
    stop(draft);
    return;
  }
  keepRunning(draft);
  if (draft.inMode("RW").length > 0) stopOnLostDisks(draft);
}

/** What the engine counts on, also what it waits for. */
function keepRunning(draft: Draft): void {
  for (const replica of draft.replicas.filter((one) => !hasFailed(one))) run(draft, replica);
}

function run(draft: Draft, replica: Resource<"Replica">): void {
  if (hasEnded(replica)) tryAgain(draft, replica);
  else replica.spec.desireState = "running";
}

/** The engine first: its last act is to tell the replicas that all is durable and equal. */
function stop(draft: Draft): void {
  const { volume, engine } = draft;
  const { status, metadata } = volume;
  status.state = "detaching";
  if (engine !== null) {
    if (["error", "unknown"].includes(engine.status.currentState)) noteBadEnd(engine);
    engine.spec.desireState = "stopped";
    if (!isStopped(draft, engine)) return;
    engine.spec.replicaAddressMap = {};
  }
  const others = draft.replicas.some((replica) => hasData(replica) && !hasFailed(replica));
  for (const replica of draft.replicas) {
    // It was being rebuilt; what it has got may be used by the next rebuild.
    if (!hasData(replica) && replica.spec.desireState === "running" && others) fail(draft, replica);
    replica.spec.desireState = "stopped";
  }
  for (const { spec } of draft.going) spec.desireState = "stopped";
  if (!allOf(draft).every((replica) => isReplicaStopped(draft, replica))) return;
  status.state = "detached";
  const from = status.currentNodeID;
  status.currentNodeID = "";
  status.frontendDisabled = false;
  if (status.robustness !== "faulted") status.robustness = "unknown";
  if (from !== "") draft.event("Normal", "Detached", `volume ${metadata.name} is detached from ${from}`);
}
