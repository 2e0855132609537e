/** What people may do to single replicas. Pure. Facts: manager.md sections 2.3 and 24. */
import { isDeleted, type Resource } from "../objects/resource.js";
import { RuleError } from "../rule-error.js";
import { isBeingSalvaged } from "./forced-salvage.js";
import { hasFailedToStart } from "./restart.js";

export interface Salvage {
  /** those that are to count again */
  replicas: Resource<"Replica">[];
  /** what is to be started from the one of them, without proof; null: it decides by their records which is current */
  forced: Resource<"Engine"> | null;
}

/** @throws {RuleError} the volume needs no salvage, or a replica is no candidate */
export function checkSalvage(
  { metadata, status }: Resource<"Volume">,
  engines: readonly Resource<"Engine">[],
  replicas: readonly Resource<"Replica">[],
  { names, force }: { names: readonly string[]; force: boolean },
): Salvage {
  const refuse = (why: string) => new RuleError("REFUSED", `volume ${metadata.name}: ${why}`);
  const engine = status.state === "attaching" ? engines.find(isForceable) : undefined;
  const isFaulted = status.state === "detached" && status.robustness === "faulted";
  const present = `it is ${status.state || "creating"} and ${status.robustness || "unknown"}`;
  if (force && engine === undefined)
    throw refuse(`force: only one that is attaching, and whose engine could not be started, is salvaged by force: ${present}`); // prettier-ignore
  if (!force && !isFaulted)
    throw refuse(
      `only a volume that is detached and faulted is salvaged: ${present}${engine === undefined ? "" : "; its engine could not be started: by force it starts from one replica without proof"}`,
    );
  if (names.length === 0) throw new RuleError("INVALID", "salvageInput: names: no replica is named");
  if (force && names.length > 1)
    throw new RuleError("INVALID", "salvageInput: names: by force it starts from one replica alone");
  const chosen = names.map((name) => {
    const replica = replicas.find((one) => one.metadata.name === name);
    if (replica === undefined || isDeleted(replica)) throw refuse(`names: it has no replica ${name}`);
    if (replica.spec.healthyAt === "") throw refuse(`names: replica ${name} was never whole`);
    return replica;
  });
  return { replicas: chosen, forced: force ? (engine ?? null) : null };
}

/** Whoever named a replica that cannot be had may name another one. */
export function isForceable(engine: Resource<"Engine">): boolean {
  return hasFailedToStart(engine) || isBeingSalvaged(engine);
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
