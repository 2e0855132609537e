/** Which replica of a volume that has too many goes first. */
import type { Cluster } from "./cluster.js";
import type { Taken } from "./place.js";

export interface Spare extends Taken {
  name: string;
}

/** @param replicas that are whole; one of them goes
 * @param keepOn node on which one should stay; "": none
 * @returns null when there is none */
export function surplus(cluster: Cluster, replicas: readonly Spare[], keepOn: string): Spare | null {
  const zoneOf = new Map(cluster.nodes.map(({ name, zone }) => [name, zone]));
  const sharing = (same: (a: Spare, b: Spare) => boolean) => (one: Spare) =>
    replicas.filter((other) => other !== one && same(one, other)).length;
  const onDisk = sharing((a, b) => a.diskUUID === b.diskUUID);
  const onNode = sharing((a, b) => a.node === b.node);
  const inZone = sharing((a, b) => zoneOf.get(a.node) === zoneOf.get(b.node));
  const isLastKept = (one: Spare) => one.node === keepOn && onNode(one) === 0;
  const fullness = (one: Spare) => {
    const disk = cluster.nodes.flatMap(({ disks }) => disks).find(({ uuid }) => uuid === one.diskUUID);
    return disk === undefined || disk.maximum === 0 ? 1 : 1 - disk.available / disk.maximum;
  };
  const order = (one: Spare): number[] => [
    one.evicting ? 0 : 1,
    isLastKept(one) ? 1 : 0,
    -onDisk(one),
    -onNode(one),
    -inZone(one),
    -fullness(one),
  ];
  const sorted = [...replicas].sort((a, b) => compare(order(a), order(b)) || (a.name < b.name ? 1 : -1));
  return sorted[0] ?? null;
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}
