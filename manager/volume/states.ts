/**
 * creating --engine there--> detached --node wished--> attaching --engine serves--> attached
 *                               ^                           `--wish gone, engine failed--. |
 *                               '--all stopped-- detaching <----------------------------'-'
 */
import type { Resource } from "../objects/resource.js";
import type { Draft } from "./draft.js";
import { fail, hasData, hasFailed } from "./modes.js";

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
      status.state = "attaching";
      start(draft);
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

function rest(draft: Draft): void {
  if (draft.engine !== null) draft.engine.spec.desireState = "stopped";
  for (const { spec } of draft.replicas) spec.desireState = "stopped";
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
  const usable = draft.replicas.filter((replica) => !hasFailed(replica) && draft.world.reachable.has(replica.spec.nodeID)); // prettier-ignore
  for (const { spec } of usable) spec.desireState = "running";
  const running = usable.filter(isServing);
  if (usable.length === 0 || running.length < usable.length) return;
  Object.assign(engine.spec, {
    nodeID,
    disableFrontend: volume.spec.disableFrontend,
    frontend: volume.spec.frontend,
    replicaAddressMap: Object.fromEntries(
      running.map((replica) => [replica.metadata.name, addressOf(replica)]),
    ),
    desireState: "running",
  });
}

export function isServing({ status, spec }: Resource<"Replica">): boolean {
  return spec.desireState === "running" && status.currentState === "running" && status.port > 0;
}

/** `ip:port`, as the engine is given it. */
export function addressOf({ status }: Resource<"Replica">): string {
  const ip = status.storageIP === "" ? status.ip : status.storageIP;
  return `${ip.includes(":") ? `[${ip}]` : ip}:${status.port}`;
}

function awaitEngine(draft: Draft, engine: Resource<"Engine">): void {
  const { volume } = draft;
  const { currentState, endpoint } = engine.status;
  if (currentState === "error" || engine.spec.nodeID !== volume.spec.nodeID) {
    engine.spec.desireState = "stopped";
    return;
  }
  const serves = endpoint !== "" || engine.spec.disableFrontend || engine.spec.frontend === "";
  if (currentState !== "running" || !serves || draft.inMode("RW").length === 0) return;
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
    draft.event("Warning", "DetachedUnexpectedly", `the engine of volume ${metadata.name} ended`);
    status.remountRequestedAt = draft.now;
  }
  if (ended || spec.nodeID !== status.currentNodeID) {
    stop(draft);
    return;
  }
  for (const replica of draft.replicas) if (!hasFailed(replica)) replica.spec.desireState = "running";
}

/** The engine first: its last act is to tell the replicas that all is durable and equal. */
function stop(draft: Draft): void {
  const { volume, engine } = draft;
  const { status, metadata } = volume;
  status.state = "detaching";
  if (engine !== null) {
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
  if (!draft.replicas.every((replica) => isStopped(draft, replica))) return;
  status.state = "detached";
  const from = status.currentNodeID;
  status.currentNodeID = "";
  status.frontendDisabled = false;
  if (status.robustness !== "faulted") status.robustness = "unknown";
  if (from !== "") draft.event("Normal", "Detached", `volume ${metadata.name} is detached from ${from}`);
}
