/** What a volume read when a snapshot was taken, as one source: for each byte the newest layer that has it, from the
 * snapshot down. The files must not change meanwhile: nothing is purged, and unmap frees nothing in them. */
import type { Layer, LayerMap, LayerRun } from "../../native/index.js";
import { chainFrom } from "../chain.js";
import { refuseRotten } from "../checksum-file.js";
import { openDirectory } from "../directory.js";
import { LayerFile } from "../layer-file.js";
import { layersOf } from "../layers.js";
import { BATCH_BYTES, MERGE_WINDOW_BYTES } from "./limits.js";
import { osError } from "./os-text.js";
import type { Piece, Source } from "./source.js";

/** Bytes of one layer. */
interface Part {
  offset: number;
  length: number;
  layer: LayerFile;
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
  const layers: LayerFile[] = [];
  const close = async () => {
    await Promise.all(layers.map((layer) => layer.close()));
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

async function openLayer(layer: Layer): Promise<LayerFile> {
  try {
    return await LayerFile.open(layer);
  } catch (error) {
    throw osError("open", layer.path, error);
  }
}

async function* mergedPieces(layers: readonly LayerFile[], size: number): AsyncGenerator<Piece> {
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

async function partsOf(layers: readonly LayerFile[], begin: number, end: number): Promise<Part[]> {
  const parts: Part[] = [];
  let gaps: Gap[] = [[begin, end]];
  for (const layer of layers) {
    if (gaps.length === 0) break;
    gaps = take(gaps, await layer.runs(begin, end), layer, parts);
  }
  return parts.sort((a, b) => a.offset - b.offset);
}

/** Moves what `extents` have of `gaps` to `parts`.
 * @returns what stays open */
function take(gaps: readonly Gap[], extents: LayerMap, layer: LayerFile, parts: Part[]): Gap[] {
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
  for (const { layer, run, skip, length } of parts) buffers.push(await layer.read(run, skip, length));
  return Buffer.concat(buffers);
}
