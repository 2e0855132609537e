/** A replica's disks as its ReplicaService tells them: what another replica needs to have the same snapshots, and which of them
 * only the head needs. Pure. */
import type { DiskInfo, Replica, SyncFileInfo } from "../proto/longhorn.js";

const META_SUFFIX = ".meta";

/** By data file name. */
export type Disks = ReadonlyMap<string, DiskInfo>;

/** Whether a file is that of a head, or its meta. */
export function isHeadFile(file: string): boolean {
  return /^volume-head-\d+\.img(\.meta)?$/.test(file);
}

/** Without the backing file and the head, also without one from before, whose name a failing disk has kept: no other replica has it. */
export function snapshotsOf(replica: Replica): Disks {
  return new Map([...besideHead(replica)].filter(([name]) => !isHeadFile(name)));
}

/** All that may have to go where other snapshots come. */
export function besideHead({ disks, head, backingFile }: Replica): Disks {
  return new Map(Object.entries(disks).filter(([name]) => name !== head && name !== backingFile));
}

/** Snapshots that nothing but the head is based on, the newest first: up to the first that has several children. */
export function behindHead(replica: Replica): { disks: DiskInfo[]; endsAtBranch: boolean } {
  const snapshots = snapshotsOf(replica);
  const disks: DiskInfo[] = [];
  let disk = snapshots.get(replica.parent);
  while (disk !== undefined && Object.keys(disk.children).length <= 1) {
    disks.push(disk);
    disk = snapshots.get(disk.parent);
  }
  return { disks, endsAtBranch: disk !== undefined };
}

/** What is to be copied of those disks: data files, and their metas with size 0. A parent comes before its children, so that
 * nothing that was copied names one that was not. */
export function filesOf(disks: Disks): SyncFileInfo[] {
  return parentsFirst(disks).flatMap(([name, { size }]) => [
    fileInfo(name, Number(size)),
    fileInfo(name + META_SUFFIX, 0),
  ]);
}

export function bytesOf(files: readonly SyncFileInfo[]): number {
  return files.reduce((sum, { actualSize }) => sum + actualSize, 0);
}

function fileInfo(name: string, actualSize: number): SyncFileInfo {
  return { fromFileName: name, toFileName: name, actualSize };
}

function parentsFirst(disks: Disks): [string, DiskInfo][] {
  const ordered = new Map<string, DiskInfo>();
  const place = (name: string) => {
    const disk = disks.get(name);
    if (disk === undefined || ordered.has(name)) return;
    place(disk.parent);
    ordered.set(name, disk);
  };
  for (const name of disks.keys()) place(name);
  return [...ordered];
}

/** Where `found` is not as `wanted`, in words; null when it is. */
export function unlike(wanted: Disks, found: Disks): string | null {
  for (const [name, { parent }] of wanted) {
    const disk = found.get(name);
    if (disk === undefined) return `${name} is missing`;
    if (disk.parent !== parent) return `the parent of ${name} is "${disk.parent}", not "${parent}"`;
  }
  for (const name of found.keys()) if (!wanted.has(name)) return `${name} is too much`;
  return null;
}
