/** How an engine is, of what its node's agent reports. Pure. */
import type { EngineReport } from "../../proto/instance-manager.js";
import { ReplicaMode } from "../../proto/longhorn.js";
import { noted, without, WITNESSED } from "../objects/conditions.js";
import type { Condition } from "../objects/fields.js";
import type { Resource } from "../objects/resource.js";

type Status = Resource<"Engine">["status"];

const MODES = new Map<number, string>([
  [ReplicaMode.RW, "RW"],
  [ReplicaMode.WO, "WO"],
  [ReplicaMode.ERR, "ERR"],
]);

/** `ip:port`, as objects have them. */
export function addressOf(url: string): string {
  return url.replace(/^tcp:\/\//, "");
}

export interface ReportedReplica {
  /** `ip:port` */
  address: string;
  mode: string;
}

export function replicasOf({ replicas }: EngineReport): ReportedReplica[] {
  return replicas.map(({ address, mode }) => ({
    address: addressOf(address?.address ?? ""),
    mode: MODES.get(mode) ?? "ERR",
  }));
}

/** @param host of the node: where initiators reach the engine's target
 * @param targetPort of that target
 * @param adding names of replicas that are being made whole, whatever the engine says of them between two attempts
 * @param refused names of new ones that were given up: those that the engine does not list have failed
 * @param now RFC 3339 */
export function reportedStatus(
  { spec, status }: Resource<"Engine">,
  report: EngineReport,
  portal: string,
  adding: ReadonlySet<string>,
  refused: readonly string[],
  now: string,
): Partial<Status> {
  const { volume, witness } = report;
  const nameOf = new Map(Object.entries(spec.replicaAddressMap).map(([name, address]) => [address, name]));
  const present = replicasOf(report).flatMap(({ address, mode }) => {
    const name = nameOf.get(address);
    return name === undefined ? [] : [{ name, address, mode: adding.has(name) ? "WO" : mode }];
  });
  const modes = Object.fromEntries([
    ...refused.map((name) => [name, "ERR"] as const),
    ...present.map(({ name, mode }) => [name, mode] as const),
  ]);
  const since = Object.entries(modes).map(([name, mode]) => {
    const before = status.replicaTransitionTimeMap[name];
    return [name, status.replicaModeMap[name] === mode && before !== undefined ? before : now];
  });
  return {
    conditions: witnessed(witness, status.conditions, now),
    currentReplicaAddressMap: Object.fromEntries(present.map(({ name, address }) => [name, address])),
    replicaModeMap: modes,
    replicaTransitionTimeMap: Object.fromEntries(since) as Record<string, string>,
    endpoint: endpointOf(spec.frontend, volume, portal),
    currentSize: String(volume?.size ?? 0),
    isExpanding: volume?.isExpanding ?? false,
    lastExpansionError: volume?.lastExpansionError ?? "",
    lastExpansionFailedAt: volume?.lastExpansionFailedAt ?? "",
    snapshotMaxCount: volume?.snapshotMaxCount ?? 0,
    snapshotMaxSize: String(volume?.snapshotMaxSize ?? 0),
    unmapMarkSnapChainRemovedEnabled: volume?.unmapMarkSnapChainRemoved ?? false,
    ...(report.error === "" ? askedOf(report) : {}),
    snapshotsError: report.error,
  };
}

function witnessed(witness: EngineReport["witness"], before: readonly Condition[], now: string): Condition[] {
  if (witness === null) return without(before, WITNESSED);
  const { address, member, cause } = witness;
  const is = member
    ? { status: "True", reason: "", message: address }
    : { status: "False", reason: "WitnessDoesNotCount", message: cause };
  return noted({ type: WITNESSED, ...is }, before, now);
}

/** What the replicas were asked for; not known while they do not answer. */
function askedOf({ snapshots, rebuilds, purges, clones }: EngineReport): Partial<Status> {
  return {
    snapshots: mapValues(snapshots, ({ userCreated, ...snapshot }) => ({
      ...snapshot,
      usercreated: userCreated,
    })),
    rebuildStatus: mapValues(rebuilds, ({ error, fromReplicaAddress, isRebuilding, progress, state }) => ({
      ...{ error, fromReplicaAddress, isRebuilding, progress, state, appliedRebuildingMBps: 0 },
    })),
    purgeStatus: mapValues(purges, ({ error, isPurging, progress, state }) => ({
      ...{ error, isPurging, progress, state },
    })),
    cloneStatus: mapValues(
      clones,
      ({ error, fromReplicaAddress, isCloning, progress, snapshotName, state }) => ({
        ...{ error, fromReplicaAddress, isCloning, progress, snapshotName, state },
      }),
    ),
  };
}

function endpointOf(frontend: string, volume: EngineReport["volume"], portal: string): string {
  if (volume?.frontendState !== "up") return "";
  return frontend === "iscsi" ? `iscsi://${portal}/${volume.endpoint}/1` : volume.endpoint;
}

function mapValues<T, U>(map: Record<string, T>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]));
}

/** Of one that does not run: nothing that was told of it holds any more, but for how large the volume is. */
export function notReported({ conditions }: Status): Partial<Status> {
  return {
    conditions: without(conditions, WITNESSED),
    currentReplicaAddressMap: {},
    replicaModeMap: {},
    replicaTransitionTimeMap: {},
    endpoint: "",
    isExpanding: false,
    rebuildStatus: {},
    purgeStatus: {},
    cloneStatus: {},
  };
}
