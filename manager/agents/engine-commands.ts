/** What an engine that runs is told next, so that it becomes as its object wants it: one thing at a time. Pure. */
import { votersAt } from "../../engine/witness-address.js";
import { bytesOf } from "../objects/bytes.js";
import type { Resource } from "../objects/resource.js";
import { frontendOf } from "./engine-instance.js";
import type { ReportedReplica } from "./engine-status.js";

export type EngineCommand =
  | { command: "start-frontend"; frontend: string }
  | { command: "set-unmap-mark"; enabled: boolean }
  | { command: "set-snapshot-max-count"; count: number }
  | { command: "set-snapshot-max-size"; size: number }
  | { command: "set-witness"; address: string }
  | { command: "expand"; size: number }
  | { command: "remove-replica"; address: string }
  | { command: "add-replica"; name: string; address: string };

/** What is known of an engine beside its object. */
export interface Known {
  /** that it has */
  replicas: readonly ReportedReplica[];
  /** names of replicas that were whole before: it makes those whole again by itself */
  healthy: ReadonlySet<string>;
  /** `ip:port` of the witness that it has, or of its voters with commas between them; "": none */
  witness: string;
  /** of the one that it is to have; "": none; null: what it has may stay, since the one that it is to have does not run */
  wantedWitness: string | null;
}

/** @param engine with the status that it has told */
export function nextCommands(engine: Resource<"Engine">, known: Known): EngineCommand[] {
  const { replicas, healthy, witness, wantedWitness: wanted } = known;
  const witnessCommands: EngineCommand[] =
    wanted === null || hasAll(witness, wanted) ? [] : [{ command: "set-witness", address: wanted }];
  return [...settingsOf(engine), ...witnessCommands, ...replicaCommands(engine, replicas, healthy)];
}

/** Voters that are away are asked in vain, and may come back. */
function hasAll(witness: string, wanted: string): boolean {
  if (wanted === "" || witness === "") return wanted === witness;
  const [present, needed] = [votersAt(witness), votersAt(wanted)];
  return needed.every((address) => present.includes(address)) && (needed.length > 1 || present.length === 1);
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

function replicaCommands(
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
  const toAdd = [...wanted].filter(([address, name]) => {
    const mode = present.get(address);
    return mode === undefined || (mode !== "RW" && !healthy.has(name));
  });
  // The engine takes one at a time; which it refuses is in the way of no other.
  const isTaken = replicas.some(({ mode }) => mode === "WO");
  return toAdd
    .filter(([address]) => !isTaken || present.get(address) === "WO")
    .map(([address, name]) => ({ command: "add-replica", name, address }));
}
