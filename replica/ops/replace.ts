/** Replacing: after `source` has taken in what its only child `target` holds, its file takes target's name and place. */
import { join } from "node:path";
import { checkAllParentsKnown, childrenOf } from "../chain.js";
import type { ReplicaDirectory } from "../directory.js";
import { diskFiles, type Files } from "../files.js";
import { ReplicaError } from "../replica-error.js";
import { carryOut, inodeOf, type Outcome } from "./intent.js";

/** Target keeps its own meta, but for the parent.
 * @throws {ReplicaError} `REFUSED`, `DAMAGED`: nothing was changed */
export async function replaceDisk(
  directory: ReplicaDirectory,
  target: string,
  source: string,
  files: Files = diskFiles,
): Promise<Outcome> {
  const { path, disks, meta } = directory;
  const refuse = (text: string) => new ReplicaError("REFUSED", text);
  if (target === meta.head || source === meta.head)
    throw refuse("cannot replace the active differencing disk");
  const from = disks.get(source);
  if (from === undefined) throw refuse(`cannot find source of replacing: ${source}`);
  if (disks.get(target)?.parent !== source)
    throw refuse(`cannot replace ${target}: it is not a child of ${source}`);
  const children = childrenOf(source, directory);
  if (children.length > 1) throw refuse(`cannot remove snapshot ${source} with ${children.length} children`);
  checkAllParentsKnown(directory);
  const discard = { [source]: await inodeOf(join(path, source)) };
  const parents = { [target]: from.parent };
  return carryOut(
    path,
    { head: meta.head, replace: { target, source }, parents, discard, everything: false },
    files,
  );
}
