/** What a volume read when a snapshot was taken, as one source: for each byte the newest layer that has it, from the
 * snapshot down. The files must not change meanwhile: nothing is purged, and unmap frees nothing in them. */
import { open, type FileHandle } from "node:fs/promises";
import { fileExtents, type Layer, type LayerMap, type LayerRun } from "../../native/index.js";
import { chainFrom } from "../chain.js";
import { refuseRotten } from "../checksum-file.js";
import { readExactly } from "../file-runs.js";
import { openDirectory } from "../directory.js";
import { layersOf } from "../layers.js";
import { inflateCluster } from "../qcow2.js";
import { BATCH_BYTES, MERGE_WINDOW_BYTES } from "./limits.js";
import { osError } from "./os-text.js";
import type { Piece, Source } from "./source.js";

interface OpenLayer {
  path: string;
  file: FileHandle;
  /** bytes of the file */
  size: number;
  map: LayerMap | null;
  /** bytes of a compressed cluster when it is decompressed */
  clusterBytes: number;
}

/** Bytes of one layer. */
interface Part {
  offset: number;
  length: number;
  layer: OpenLayer;
  run: LayerRun;
  /** bytes of the run before them */
  skip: number;
}

type Gap = [begin: number, end: number];

/** @param fileName of the snapshot
 * @param backing what the layers are put upon: nothing, or the volume's backing file, whose path may be given anew
 * @throws {ReplicaError | Error} naming the file, or the snapshot that has rotted */
export async function openMergedSource(
  directoryPath: string,
  fileName: string,
  backing: { file: string | null } | null,
): Promise<Source> {
  const directory = await openDirectory(directoryPath);
  const chain = chainFrom(fileName, directory);
  await refuseRotten(directoryPath, chain);
  const below = await layersOf(directory, chain, backing?.file ?? null);
  const wanted = below.backing && backing === null ? below.layers.slice(1) : below.layers;
  const layers: OpenLayer[] = [];
  const close = async () => {
    await Promise.all(layers.map(({ file }) => file.close()));
  };
  try {
    // The newest first.
    for (const layer of wanted.reverse()) layers.push(await openLayer(layer));
  } catch (error) {
    await close();
    throw error;
  }
  const { size } = directory.meta;
  return { size, fd: null, pieces: () => mergedPieces(layers, size), close };
}

async function openLayer({ path, map, clusterBytes }: Layer): Promise<OpenLayer> {
  try {
    const file = await open(path, "r");
    const { size } = await file.stat();
    return { path, file, size, map: map ?? null, clusterBytes: clusterBytes ?? 0 };
  } catch (error) {
    throw osError("open", path, error);
  }
}

async function* mergedPieces(layers: readonly OpenLayer[], size: number): AsyncGenerator<Piece> {
  let hole: Gap = [0, 0];
  for (let begin = 0; begin < size; begin += MERGE_WINDOW_BYTES) {
    const end = Math.min(begin + MERGE_WINDOW_BYTES, size);
    for (const parts of runsOf(await partsOf(layers, begin, end))) {
      const [offset, length] = extentOf(parts);
      if (offset > hole[0]) yield { kind: "hole", offset: hole[0], length: offset - hole[0] };
      yield { kind: "data", offset, length, read: () => readParts(parts) };
      hole = [offset + length, offset + length];
    }
    hole[1] = end;
  }
  if (hole[1] > hole[0]) yield { kind: "hole", offset: hole[0], length: hole[1] - hole[0] };
}

async function partsOf(layers: readonly OpenLayer[], begin: number, end: number): Promise<Part[]> {
  const parts: Part[] = [];
  let gaps: Gap[] = [[begin, end]];
  for (const layer of layers) {
    if (gaps.length === 0) break;
    gaps = take(gaps, await extentsIn(layer, begin, end), layer, parts);
  }
  return parts.sort((a, b) => a.offset - b.offset);
}

/** Moves what `extents` have of `gaps` to `parts`.
 * @returns what stays open */
function take(gaps: readonly Gap[], extents: LayerMap, layer: OpenLayer, parts: Part[]): Gap[] {
  const left: Gap[] = [];
  let i = 0;
  for (const [begin, end] of gaps) {
    let position = begin;
    for (; i < extents.length; i++) {
      const run: LayerRun = extents[i] ?? [0, 0, 0];
      const [offset, length] = run;
      const [from, to] = [Math.max(offset, position), Math.min(offset + length, end)];
      if (offset >= end) break;
      if (from < to) {
        if (from > position) left.push([position, from]);
        parts.push({ offset: from, length: to - from, layer, run, skip: from - offset });
        position = to;
      }
      // The rest of it may fill the next gap.
      if (offset + length > end) break;
    }
    if (position < end) left.push([position, end]);
  }
  return left;
}

/** Ascending, those that reach into a window. */
async function extentsIn({ file, size, map }: OpenLayer, begin: number, end: number): Promise<LayerMap> {
  if (map !== null) return within(map, begin, end);
  const extents: LayerMap = [];
  const last = Math.min(end, size);
  for (let position = begin; position < last;) {
    const found = await fileExtents(file.fd, position, last, position === 0);
    if (found.length === 0) break;
    for (let i = 0; i < found.length; i += 2) {
      const [offset, length] = [found[i] ?? 0, found[i + 1] ?? 0];
      extents.push([offset, length, offset]);
      position = offset + length;
    }
  }
  return extents;
}

function within(map: LayerMap, begin: number, end: number): LayerMap {
  let [first, above] = [0, map.length];
  while (first < above) {
    const middle = (first + above) >> 1;
    const [offset, length] = map[middle] ?? [0, 0];
    if (offset + length <= begin) first = middle + 1;
    else above = middle;
  }
  const last = map.findIndex(([offset], index) => index >= first && offset >= end);
  return map.slice(first, last < 0 ? map.length : last);
}

/** Parts that meet, a batch at most. */
function* runsOf(parts: readonly Part[]): Generator<Part[]> {
  let run: Part[] = [];
  let bytes = 0;
  for (const part of parts) {
    for (let done = 0; done < part.length;) {
      const [offset] = run.length > 0 ? extentOf(run) : [part.offset];
      if (run.length > 0 && (offset + bytes !== part.offset + done || bytes === BATCH_BYTES)) {
        yield run;
        [run, bytes] = [[], 0];
      }
      const length = Math.min(part.length - done, BATCH_BYTES - bytes);
      run.push({ ...part, offset: part.offset + done, skip: part.skip + done, length });
      bytes += length;
      done += length;
    }
  }
  if (run.length > 0) yield run;
}

function extentOf(parts: readonly Part[]): [offset: number, length: number] {
  return [parts[0]?.offset ?? 0, parts.reduce((sum, { length }) => sum + length, 0)];
}

async function readParts(parts: readonly Part[]): Promise<Buffer> {
  const buffers: Buffer[] = [];
  for (const part of parts) buffers.push(await readPart(part));
  return Buffer.concat(buffers);
}

async function readPart({ layer, run, skip, length }: Part): Promise<Buffer> {
  const { path, file, clusterBytes } = layer;
  const [, , at, compressed] = run;
  if (compressed === undefined) return readExactly(file, at + skip, length);
  const cluster = await inflateCluster(await readExactly(file, at, compressed), clusterBytes, path);
  return cluster.subarray(skip, skip + length);
}
