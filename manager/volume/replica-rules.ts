/** What people may do to single replicas. Pure. Facts: manager.md sections 2.3 and 24. */
import { bytesOf } from "../objects/bytes.js";
import { isDeleted, type Resource } from "../objects/resource.js";
import { RuleError } from "../rule-error.js";
import { isLeftBehind } from "./forced-salvage.js";
import { hasFailedToStart } from "./restart.js";

/** A volume and what is its own. */
export interface Parts {
  volume: Resource<"Volume">;
  engines: readonly Resource<"Engine">[];
  replicas: readonly Resource<"Replica">[];
}

/** @param force from the one that is named, without proof that it is current
 * @returns those that are to count again
 * @throws {RuleError} the volume needs no salvage, or a replica is no candidate */
export function checkSalvage(parts: Parts, names: readonly string[], force: boolean): Resource<"Replica">[] {
  const { metadata, status } = parts.volume;
  const refuse = (why: string) => new RuleError("REFUSED", `volume ${metadata.name}: ${why}`);
  const present = `it is ${status.state || "creating"} and ${status.robustness || "unknown"}`;
  const isFaulted = status.state === "detached" && status.robustness === "faulted";
  if (force && status.state === "attaching")
    throw refuse(`force: it is being attached, and is salvaged when it is detached`);
  if (force && !isForceable(parts))
    throw refuse(`force: only a volume that is detached, and is faulted or has an engine that could not be started, is salvaged by force: ${present}`); // prettier-ignore
  if (!force && !isFaulted)
    throw refuse(`only a volume that is detached and faulted is salvaged: ${present}`);
  if (names.length === 0) throw new RuleError("INVALID", "salvageInput: names: no replica is named");
  if (force && names.length > 1)
    throw new RuleError("INVALID", "salvageInput: names: by force it is had from one replica alone");
  return names.map((name) => {
    const replica = parts.replicas.find((one) => one.metadata.name === name);
    if (replica === undefined || isDeleted(replica)) throw refuse(`names: it has no replica ${name}`);
    if (replica.spec.healthyAt === "") throw refuse(`names: replica ${name} was never whole`);
    if (force && isTooSmall(replica, parts.engines)) throw refuse(`names: replica ${name} has ${replica.spec.volumeSize} bytes: it was away while the volume grew, and is salvaged by hand only`); // prettier-ignore
    if (!force && isLeftBehind(replica)) throw refuse(`names: replica ${name} was left behind by a salvage, and is had by force only`); // prettier-ignore
    return replica;
  });
}

/** An engine would take it for another volume's. */
function isTooSmall({ spec }: Resource<"Replica">, engines: readonly Resource<"Engine">[]): boolean {
  return engines.some(({ status }) => bytesOf(spec.volumeSize) < bytesOf(status.currentSize));
}

/** Nothing of it runs, and it cannot be had otherwise, or somebody has done so before and may name another replica. */
export function isForceable({ volume, engines, replicas }: Parts): boolean {
  const { state, robustness } = volume.status;
  return state === "detached" && (robustness === "faulted" || engines.some(hasFailedToStart) || replicas.some(isLeftBehind)); // prettier-ignore
}

/** @param replicas all of the volume
 * @throws {RuleError} it may be the last that has the data */
export function checkReplicaRemoval(
  replica: Resource<"Replica">,
  replicas: readonly Resource<"Replica">[],
): void {
  if (replica.spec.healthyAt === "" && replica.spec.lastHealthyAt === "") return;
  const isSafe = replicas.some((other) => other !== replica && isWholeBeyondDoubt(other));
  if (!isSafe)
    throw new RuleError(
      "REFUSED",
      `replicaRemoveInput: name: no other replica of volume ${replica.spec.volumeName} is whole: ${replica.metadata.name} may be the last that has its data`,
    );
}

/** It alone would be enough. */
export function isWholeBeyondDoubt(replica: Resource<"Replica">): boolean {
  const { active, healthyAt, failedAt, lastHealthyAt, lastFailedAt } = replica.spec;
  if (isDeleted(replica) || !active || healthyAt === "" || failedAt !== "") return false;
  return lastFailedAt === "" || Date.parse(lastHealthyAt) > Date.parse(lastFailedAt);
}
