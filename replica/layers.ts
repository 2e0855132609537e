/** The files that a store reads through: the backing file, if any, and a chain of data files. */
import { isAbsolute, join } from "node:path";
import type { Layer } from "../native/index.js";
import { backingLayer } from "./backing-file.js";
import type { ReplicaDirectory } from "./directory.js";
import { ReplicaError } from "./replica-error.js";

/** @param chain data file names, the newest first
 * @param backingFile absolute path; null: as stored in volume.meta
 * @returns layers, bottom first, and whether the lowest is a backing file
 * @throws {ReplicaError} naming the file */
export async function layersOf(
  directory: ReplicaDirectory,
  chain: readonly string[],
  backingFile: string | null,
): Promise<{ layers: Layer[]; backing: boolean }> {
  const layers: Layer[] = chain.map((name) => ({ path: join(directory.path, name) })).reverse();
  const path = backingPath(directory, backingFile);
  if (path === null) return { layers, backing: false };
  return { layers: [await backingLayer(path, directory.meta.size), ...layers], backing: true };
}

// The one given now, since an image may have moved, or the one stored.
function backingPath(directory: ReplicaDirectory, given: string | null): string | null {
  const stored = directory.meta.backingFilePath;
  if (given !== null && stored === "") {
    throw new ReplicaError(
      "FOREIGN",
      `${directory.path} was made without a backing file; ${given} would change its content`,
    );
  }
  const path = given ?? (stored === "" ? null : stored);
  if (path !== null && !isAbsolute(path)) {
    throw new ReplicaError("UNSUPPORTED", `the backing file's path has to be absolute: ${path}`);
  }
  return path;
}
