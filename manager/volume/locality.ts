/** Strict locality: the one copy of a volume is on the node that uses it, and so says where that can be. Pure. Facts: manager.md section 4.1. */
import { isDeleted, type Resource } from "../objects/resource.js";
import { counts } from "./forced-salvage.js";
import { hasData, hasFailed } from "./modes.js";

export function isStrictlyLocal({ spec }: Resource<"Volume">): boolean {
  return spec.dataLocality === "strict-local";
}

/** @param replicas of the volume
 * @returns nodes that the volume can be attached to; null: all, since as long as nothing was written its copy goes where it goes */
export function homesOf(
  volume: Resource<"Volume">,
  replicas: readonly Resource<"Replica">[],
): ReadonlySet<string> | null {
  if (!isStrictlyLocal(volume)) return null;
  const withData = replicas.filter(
    (replica) => !isDeleted(replica) && hasData(replica) && counts(replica, volume),
  );
  const sound = withData.filter((replica) => !hasFailed(replica));
  const counting = sound.length > 0 ? sound : withData;
  return counting.length === 0 ? null : new Set(counting.map(({ spec }) => spec.nodeID));
}

/** @returns why the volume cannot be attached to a node; null: it can */
export function awayRefusal(
  { metadata }: Resource<"Volume">,
  homes: ReadonlySet<string> | null,
  node: string,
): string | null {
  if (homes === null || homes.has(node)) return null;
  return `volume ${metadata.name} is strict-local: it can be attached only where its copy is, on node ${[...homes].join(" or ")}`;
}

/** @returns the only node on which copies of the volume are made; "": any */
export function homeOf(volume: Resource<"Volume">, replicas: readonly Resource<"Replica">[]): string {
  if (!isStrictlyLocal(volume)) return "";
  const [withData = ""] = homesOf(volume, replicas) ?? [];
  return volume.status.currentNodeID || volume.spec.nodeID || withData;
}
