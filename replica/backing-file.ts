/** The image below the chain's root: raw or qcow2, told apart by the magic. Never written. */
import { open, type FileHandle } from "node:fs/promises";
import type { Layer, LayerMap } from "../native/index.js";
import { QCOW2_MAGIC, readQcow2 } from "./qcow2.js";
import { ReplicaError, systemError } from "./replica-error.js";

/** @param volumeSize bytes; what an image holds beyond is not part of the volume
 * @throws {ReplicaError} `MISSING`, `DAMAGED`, `UNSUPPORTED`, naming the file */
export async function backingLayer(path: string, volumeSize: number): Promise<Layer> {
  let file: FileHandle | null = null;
  try {
    file = await open(path, "r");
    const stat = await file.stat();
    if (!stat.isFile()) throw new ReplicaError("FOREIGN", `backing file ${path} is not a plain file`);
    const readAt = readerOf(file, path);
    const isQcow2 = stat.size >= 4 && (await readAt(0, 4)).readUInt32BE(0) === QCOW2_MAGIC;
    if (!isQcow2) return { path };
    const { map } = await readQcow2(readAt, stat.size, path);
    return { path, map: cut(map, volumeSize) };
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
    .map(([offset, length, at]) => [offset, Math.min(length, size - offset), at]);
}
