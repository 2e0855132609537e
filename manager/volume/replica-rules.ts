/** What people may do to single replicas. Pure. Facts: manager.md sections 2.3 and 24. */
import { isDeleted, type Resource } from "../objects/resource.js";
import { RuleError } from "../rule-error.js";

/** @returns those that are to count again
 * @throws {RuleError} the volume needs no salvage, or a replica is no candidate */
export function checkSalvage(
  { metadata, status }: Resource<"Volume">,
  replicas: readonly Resource<"Replica">[],
  names: readonly string[],
): Resource<"Replica">[] {
  const refuse = (why: string) => new RuleError("REFUSED", `volume ${metadata.name}: ${why}`);
  if (status.state !== "detached" || status.robustness !== "faulted")
    throw refuse(
      `only a volume that is detached and faulted is salvaged: it is ${status.state || "creating"} and ${status.robustness || "unknown"}`,
    );
  if (names.length === 0) throw new RuleError("INVALID", "salvageInput: names: no replica is named");
  return names.map((name) => {
    const replica = replicas.find((one) => one.metadata.name === name);
    if (replica === undefined || isDeleted(replica)) throw refuse(`names: it has no replica ${name}`);
    if (replica.spec.healthyAt === "") throw refuse(`names: replica ${name} was never whole`);
    return replica;
  });
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
