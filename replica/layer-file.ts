/** One file of a chain, or the image below it, as TypeScript reads it: what lies where in it, and what that is. */
import { open, type FileHandle } from "node:fs/promises";
import { fileExtents, type Layer, type LayerMap, type LayerRun } from "../native/index.js";
import { readExactly } from "./file-runs.js";
import { inflateCluster } from "./qcow2.js";

export class LayerFile {
  private constructor(
    private readonly layer: Layer,
    private readonly file: FileHandle,
    /** bytes of the file */
    private readonly size: number,
  ) {}

  /** @throws {Error} of the system */
  static async open(layer: Layer): Promise<LayerFile> {
    const file = await open(layer.path, "r");
    return new LayerFile(layer, file, (await file.stat()).size);
  }

  /** Ascending, those that reach into `[begin, end)`. */
  async runs(begin: number, end: number): Promise<LayerMap> {
    const { map } = this.layer;
    if (map !== undefined) return within(map, begin, end);
    const runs: LayerMap = [];
    const last = Math.min(end, this.size);
    for (let position = begin; position < last;) {
      const found = await fileExtents(this.file.fd, position, last, position === 0);
      if (found.length === 0) break;
      for (let i = 0; i < found.length; i += 2) {
        const [offset, length] = [found[i] ?? 0, found[i + 1] ?? 0];
        runs.push([offset, length, offset]);
        position = offset + length;
      }
    }
    return runs;
  }

  /** @param skip bytes of the run before those that are read
   * @throws {ReplicaError | Error} */
  async read([, , at, compressed]: LayerRun, skip: number, length: number): Promise<Buffer> {
    if (compressed === undefined) return readExactly(this.file, at + skip, length);
    const { path, clusterBytes = 0 } = this.layer;
    const cluster = await inflateCluster(await readExactly(this.file, at, compressed), clusterBytes, path);
    return cluster.subarray(skip, skip + length);
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

function within(map: LayerMap, begin: number, end: number): LayerMap {
  let [first, above] = [0, map.length];
  while (first < above) {
    const middle = (first + above) >> 1;
    const [offset, length] = map[middle] ?? [0, 0];
    if (offset + length <= begin) first = middle + 1;
    else above = middle;
  }
  let last = first;
  while (last < map.length && (map[last]?.[0] ?? end) < end) last++;
  return map.slice(first, last);
}
