/** Deleting a replica: all its disks and metadata go, the directory stays. What is nobody's disk stays as well. */
import { join } from "node:path";
import type { ReplicaDirectory } from "../directory.js";
import { diskFiles, type Files } from "../files.js";
import { announce, inodeOf, perform, type Intent } from "./intent.js";

/** @throws {ReplicaError} nothing was changed, or opening the directory goes on with it */
export async function deleteReplica(directory: ReplicaDirectory, files: Files = diskFiles): Promise<void> {
  const { path, disks, damaged, meta } = directory;
  const discard: Record<string, number> = {};
  for (const name of [...disks.keys(), ...damaged.keys()]) discard[name] = await inodeOf(join(path, name));
  const intent: Intent = { head: meta.head, replace: null, parents: {}, discard, everything: true };
  await announce(path, intent, files);
  await perform(path, intent, files);
}
