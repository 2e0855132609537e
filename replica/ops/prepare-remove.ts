/** What it takes to remove a snapshot, as Longhorn's table of actions. Pure. */
import { checkAllParentsKnown, childrenOf } from "../chain.js";
import type { ReplicaDirectory } from "../directory.js";
import { ReplicaError } from "../replica-error.js";
import { resolveDisk } from "./mark-removed.js";

/** - `remove`: nothing is below it in any branch; the files go
 *  - `coalesce`: target's data are copied into source, the older file
 *  - `replace`: source's file becomes target's
 *  - `prune`: what the head holds as well is freed in source, which stays */
export type RemovalAction =
  | { action: "remove"; source: string }
  | { action: "coalesce" | "replace" | "prune"; source: string; target: string };

/** @param name of the data file, or bare; an unknown disk needs no action
 * @returns data file names; empty when the disk cannot go now
 * @throws {ReplicaError} `REFUSED`; `DAMAGED` when it cannot be told whose child an unreadable disk is */
export function removalActions(directory: ReplicaDirectory, name: string): RemovalAction[] {
  const { disks, meta } = directory;
  const source = resolveDisk(directory, name);
  if (source === null) return [];
  if (source === meta.head) throw new ReplicaError("REFUSED", "cannot delete the active differencing disk");
  if (disks.get(source)?.removed !== true)
    throw new ReplicaError("REFUSED", `disk ${source} hasn't been marked as removed`);
  checkAllParentsKnown(directory);
  const children = childrenOf(source, directory);
  const [target] = children;
  if (target === undefined) return [{ action: "remove", source }];
  if (children.length > 1) return [];
  if (target === meta.head) return [{ action: "prune", source, target }];
  // A child without data has nothing to give, and what it had may turn up again: its parent stays as it is.
  if (!disks.has(target)) return [];
  return [
    { action: "coalesce", source, target },
    { action: "replace", source, target },
  ];
}
