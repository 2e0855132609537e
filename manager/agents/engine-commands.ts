/** What an engine that runs is told next, so that it becomes as its object wants it: one thing at a time. Pure. */
import { bytesOf } from "../objects/bytes.js";
import type { Resource } from "../objects/resource.js";
import { frontendOf } from "./engine-instance.js";
import type { ReportedReplica } from "./engine-status.js";

export type EngineCommand =
  | { command: "start-frontend"; frontend: string }
  | { command: "set-unmap-mark"; enabled: boolean }
  | { command: "set-snapshot-max-count"; count: number }
  | { command: "set-snapshot-max-size"; size: number }
  | { command: "expand"; size: number }
  | { command: "remove-replica"; address: string }
  | { command: "add-replica"; name: string; address: string };

/** @param engine with the status that it has told
 * @param replicas that it has
 * @param healthy names of replicas that were whole before: it makes those whole again by itself */
export function nextCommands(
  engine: Resource<"Engine">,
  replicas: readonly ReportedReplica[],
  healthy: ReadonlySet<string>,
): EngineCommand[] {
  return [...settingsOf(engine), ...replicaCommand(engine, replicas, healthy)];
}

function settingsOf(engine: Resource<"Engine">): EngineCommand[] {
  const { spec, status } = engine;
  const commands: EngineCommand[] = [];
  const frontend = frontendOf(engine);
  if (frontend !== "" && status.endpoint === "") commands.push({ command: "start-frontend", frontend });
  if (spec.unmapMarkSnapChainRemovedEnabled !== status.unmapMarkSnapChainRemovedEnabled)
    commands.push({ command: "set-unmap-mark", enabled: spec.unmapMarkSnapChainRemovedEnabled });
  if (spec.snapshotMaxCount !== status.snapshotMaxCount)
    commands.push({ command: "set-snapshot-max-count", count: spec.snapshotMaxCount });
  if (spec.snapshotMaxSize !== status.snapshotMaxSize)
    commands.push({ command: "set-snapshot-max-size", size: bytesOf(spec.snapshotMaxSize) });
  const [size, current] = [bytesOf(spec.volumeSize), bytesOf(status.currentSize)];
  if (size > current && current > 0 && !status.isExpanding) commands.push({ command: "expand", size });
  return commands;
}

function replicaCommand(
  { spec, status }: Resource<"Engine">,
  replicas: readonly ReportedReplica[],
  healthy: ReadonlySet<string>,
): EngineCommand[] {
  const wanted = new Map(Object.entries(spec.replicaAddressMap).map(([name, address]) => [address, name]));
  const whole = replicas.filter(({ mode }) => mode === "RW");
  for (const { address, mode } of replicas) {
    // The engine would refuse to give up its last copy, and rightly so.
    const isLast = mode === "RW" && whole.length === 1;
    if (!wanted.has(address) && !isLast) return [{ command: "remove-replica", address }];
  }
  if (whole.length === 0 || status.isExpanding) return [];
  const present = new Map(replicas.map(({ address, mode }) => [address, mode]));
  for (const [address, name] of wanted) {
    const mode = present.get(address);
    const isUnfinished = mode !== undefined && mode !== "RW" && !healthy.has(name);
    if (mode === undefined || isUnfinished) return [{ command: "add-replica", name, address }];
  }
  return [];
}
