/** Replicas that could not be purged, as their engine tells since it was looked at last. Pure. */
import type { Resource } from "../objects/resource.js";

type Engine = Resource<"Engine">;

/** @param before what the engine told then
 * @returns a message for each: an engine tells of its last purge until the next one has begun, and it is said once */
export function purgeFailures({ spec, status }: Engine, before: Engine["status"]["purgeStatus"]): string[] {
  const nameOf = new Map(Object.entries(spec.replicaAddressMap).map(([name, address]) => [address, name]));
  return Object.entries(status.purgeStatus).flatMap(([url, { error }]) => {
    if (error === "" || before[url]?.error === error) return [];
    return [`snapshots of replica ${nameOf.get(url.replace(/^tcp:\/\//, "")) ?? url} could not be purged: ${error}`]; // prettier-ignore
  });
}
