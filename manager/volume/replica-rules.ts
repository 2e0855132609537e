/** What people may do to single replicas. Pure. Facts: manager.md sections 2.3 and 24. */
import { isDeleted, type Resource } from "../objects/resource.js";
import { RuleError } from "../rule-error.js";
import { hasFailedToStart } from "./restart.js";

export interface Salvage {
  /** those that are to count again */
  replicas: Resource<"Replica">[];
  /** an engine has tried, and does not start from what is there: it is to start from this one without proof */
  forced: { engine: Resource<"Engine">; replica: Resource<"Replica"> } | null;
}

/** @throws {RuleError} the volume needs no salvage, or a replica is no candidate */
export function checkSalvage(
  { metadata, status }: Resource<"Volume">,
  engines: readonly Resource<"Engine">[],
  replicas: readonly Resource<"Replica">[],
  names: readonly string[],
): Salvage {
  const refuse = (why: string) => new RuleError("REFUSED", `volume ${metadata.name}: ${why}`);
  const engine = status.state === "attaching" ? engines.find(hasFailedToStart) : undefined;
  if (engine === undefined && (status.state !== "detached" || status.robustness !== "faulted"))
    throw refuse(
      `only a volume that is detached and faulted is salvaged, or one that is attaching and whose engine could not be started: it is ${status.state || "creating"} and ${status.robustness || "unknown"}`,
    );
  if (names.length === 0) throw new RuleError("INVALID", "salvageInput: names: no replica is named");
  const chosen = names.map((name) => {
    const replica = replicas.find((one) => one.metadata.name === name);
    if (replica === undefined || isDeleted(replica)) throw refuse(`names: it has no replica ${name}`);
    if (replica.spec.healthyAt === "") throw refuse(`names: replica ${name} was never whole`);
    return replica;
  });
  if (engine === undefined) return { replicas: chosen, forced: null };
  const [replica, ...more] = chosen;
  if (replica === undefined || more.length > 0)
    throw refuse(`names: its engine does not start from these by their records: name one that it is to start from without proof`); // prettier-ignore
  return { replicas: chosen, forced: { engine, replica } };
}

/** @param replicas all of the volume
 * @throws {RuleError} it may be the last that has the data */
export function checkReplicaRemoval(
  replica: Resource<"Replica">,
  replicas: readonly Resource<"Replica">[],
): void {
  if (replica.spec.healthyAt === "" && replica.spec.lastHealthyAt === "") return;
  const isSafe = replicas.some((other) => other !== replica && isWhole(other));
  if (!isSafe)
    throw new RuleError(
      "REFUSED",
      `replicaRemoveInput: name: no other replica of volume ${replica.spec.volumeName} is whole: ${replica.metadata.name} may be the last that has its data`,
    );
}

/** It alone would be enough. */
function isWhole(replica: Resource<"Replica">): boolean {
  const { active, healthyAt, failedAt, lastHealthyAt, lastFailedAt } = replica.spec;
  if (isDeleted(replica) || !active || healthyAt === "" || failedAt !== "") return false;
  return lastFailedAt === "" || Date.parse(lastHealthyAt) > Date.parse(lastFailedAt);
}
