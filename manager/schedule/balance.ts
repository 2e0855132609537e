/** Whether one more replica, made elsewhere, would spread a volume better: the one that is too many then goes. */
import type { Cluster, Disk } from "./cluster.js";
import { place, type Want } from "./place.js";

export type Balance = "disabled" | "least-effort" | "best-effort";

export interface Better {
  node: string;
  disk: Disk;
  why: string;
}

/** Only for a volume that has as many whole replicas as it wants: never fewer copies on the way.
 * @param pressure percent of a disk in use from which on its replicas move; 0: they do not */
export function better(cluster: Cluster, want: Want, balance: Balance, pressure: number): Better | null {
  if (balance === "disabled") return null;
  return (
    unusedPlace(cluster, want) ?? (balance === "best-effort" ? emptierDisk(cluster, want, pressure) : null)
  );
}

/** A zone or node without a replica, while another one has two. */
function unusedPlace(cluster: Cluster, want: Want): Better | null {
  const zones = new Map(cluster.nodes.map(({ name, zone }) => [name, zone]));
  const found = place(cluster, want);
  if (!found.placed) return null;
  const zone = zones.get(found.node);
  const { taken } = want;
  const zoneIsNew = !taken.some(({ node }) => zones.get(node) === zone);
  if (zoneIsNew && hasTwo(taken.map(({ node }) => zones.get(node) ?? "")))
    return { node: found.node, disk: found.disk, why: "two replicas are in one zone" };
  const nodeIsNew = !taken.some(({ node }) => node === found.node);
  if (nodeIsNew && hasTwo(taken.map(({ node }) => node)))
    return { node: found.node, disk: found.disk, why: "two replicas are on one node" };
  return null;
}

function hasTwo(places: readonly string[]): boolean {
  return new Set(places).size < places.length;
}

/** Another disk of the same node, which stays below the mark with the replica on it: so it does not come back. */
function emptierDisk(cluster: Cluster, want: Want, pressure: number): Better | null {
  if (pressure <= 0) return null;
  for (const { node: name, diskUUID } of want.taken) {
    const node = cluster.nodes.find((one) => one.name === name);
    const present = node?.disks.find(({ uuid }) => uuid === diskUUID);
    if (node === undefined || present === undefined || used(present, 0) < pressure) continue;
    const others = node.disks.filter((disk) => disk !== present && used(disk, want.actualSize) < pressure);
    const there = { ...cluster, nodes: [{ ...node, disks: others }] };
    const elsewhere = want.taken.filter((one) => one.diskUUID !== diskUUID);
    const found = place(there, { ...want, node: name, taken: elsewhere });
    if (found.placed) return { node: name, disk: found.disk, why: `disk ${present.name} is nearly full` };
  }
  return null;
}

/** @returns percent of the disk */
function used({ maximum, available }: Disk, more: number): number {
  return maximum === 0 ? 100 : (100 * (maximum - available + more)) / maximum;
}
