/** Removing a disk: its children get its parent, then its files go. What its children read of it is gone with it. */
import { join } from "node:path";
import { checkAllParentsKnown, childrenOf } from "../chain.js";
import type { ReplicaDirectory } from "../directory.js";
import { diskFiles, type Files } from "../files.js";
import { ReplicaError } from "../replica-error.js";
import { carryOut, inodeOf, type Outcome } from "./intent.js";

/** @param file data file name
 * @param force also with several children, or beside damaged disks: for a replica that is going to be overwritten
 * @throws {ReplicaError} `REFUSED`, `DAMAGED`: nothing was changed */
export async function removeDisk(
  directory: ReplicaDirectory,
  file: string,
  force: boolean,
  files: Files = diskFiles,
): Promise<Outcome> {
  const { path, disks, damaged, meta } = directory;
  if (file === meta.head) throw new ReplicaError("REFUSED", "cannot delete the active differencing disk");
  const disk = disks.get(file) ?? damaged.get(file);
  if (disk === undefined) throw new ReplicaError("REFUSED", `cannot find disk ${file}`);
  const children = childrenOf(file, directory);
  if (!force) {
    if (children.length > 1) throw new ReplicaError("REFUSED", `cannot remove snapshot ${file} with ${children.length} children`); // prettier-ignore
    if (disks.has(file)) checkAllParentsKnown(directory);
  }
  const { parent } = disk;
  if (parent === null && children.length > 0) throw new ReplicaError("REFUSED", `cannot remove ${file}: its parent is unknown`); // prettier-ignore
  const parents = Object.fromEntries(
    children.filter((name) => disks.has(name)).map((name) => [name, parent ?? ""]),
  );
  const discard = { [file]: await inodeOf(join(path, file)) };
  return carryOut(path, { head: meta.head, replace: null, parents, discard, everything: false }, files);
}
