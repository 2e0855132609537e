/** The image below the chain's root: raw or qcow2, told apart by the magic. Never written. */
import { open, type FileHandle } from "node:fs/promises";
import type { Layer, LayerMap, LayerRun } from "../native/index.js";
import { QCOW2_MAGIC, readQcow2 } from "./qcow2.js";
import { ReplicaError, systemError } from "./replica-error.js";
import { SECTOR_BYTES } from "./volume-meta.js";

/** @param volumeSize bytes; what an image holds beyond is not part of the volume
 * @throws {ReplicaError} `MISSING`, `DAMAGED`, `UNSUPPORTED`, naming the file */
export async function backingLayer(path: string, volumeSize: number): Promise<Layer> {
  const { map, clusterBytes } = await readImage(path);
  if (map === null) return { path };
  const cutMap = cut(map, volumeSize);
  return cutMap.some(isCompressed) ? { path, map: cutMap, clusterBytes } : { path, map: cutMap };
}

/** Whether a volume can be made on top of an image: in Longhorn's words, since its clients show them.
 * @param volumeSize bytes
 * @throws {ReplicaError} `SIZE_MISMATCH`; what `backingLayer` throws */
export async function checkBackingFile(path: string, volumeSize: number): Promise<void> {
  const { size } = await readImage(path);
  if (size % SECTOR_BYTES !== 0)
    throw new ReplicaError("SIZE_MISMATCH", `backing file ${path}: size ${size} is not a multiple of ${SECTOR_BYTES}`); // prettier-ignore
  if (volumeSize < size)
    throw new ReplicaError(
      "SIZE_MISMATCH",
      `replica size ${volumeSize} < backing image virtual size ${size}`,
    );
}

/** @returns bytes that it holds, and where they are; null: at their own offsets, with clusters of none */
async function readImage(
  path: string,
): Promise<{ size: number; map: LayerMap | null; clusterBytes: number }> {
  let file: FileHandle | null = null;
  try {
    file = await open(path, "r");
    const stat = await file.stat();
    if (!stat.isFile()) throw new ReplicaError("FOREIGN", `backing file ${path} is not a plain file`);
    const readAt = readerOf(file, path);
    const isQcow2 = stat.size >= 4 && (await readAt(0, 4)).readUInt32BE(0) === QCOW2_MAGIC;
    return isQcow2
      ? await readQcow2(readAt, stat.size, path)
      : { size: stat.size, map: null, clusterBytes: 0 };
  } catch (error) {
    throw systemError(error, "open backing file", path);
  } finally {
    await file?.close();
  }
}

function readerOf(file: FileHandle, path: string) {
  return async (offset: number, length: number): Promise<Buffer> => {
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) throw new ReplicaError("DAMAGED", `${path} ends before byte ${offset + length}`);
      done += bytesRead;
    }
    return bytes;
  };
}

function cut(map: LayerMap, size: number): LayerMap {
  return map
    .filter(([offset]) => offset < size)
    .map(([offset, length, ...where]) => [offset, Math.min(length, size - offset), ...where]);
}

function isCompressed(run: LayerRun): boolean {
  return run.length > 3;
}
