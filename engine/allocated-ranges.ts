/** Which parts of a volume any of its copies holds data in. */
import type { Volume } from "../native/index.js";
import type { InheritedRegionsReply } from "../proto/control.js";
import { EXTENTS_GRAIN_BYTES, EXTENTS_WINDOW_BYTES } from "./limits.js";

/** @param size of the volume, bytes
 * @returns grains that the copy at `slot` holds any data of
 * @throws {NativeError} what the replica answered */
export async function allocatedGrains(
  volume: Pick<Volume, "extents">,
  slot: number,
  size: number,
): Promise<InheritedRegionsReply> {
  const bitmap = new Uint8Array(Math.ceil(size / EXTENTS_GRAIN_BYTES / 8));
  for (let offset = 0; offset < size; offset += EXTENTS_WINDOW_BYTES) {
    const runs = await volume.extents(slot, offset, Math.min(EXTENTS_WINDOW_BYTES, size - offset));
    for (let i = 0; i + 1 < runs.length; i += 2) mark(bitmap, runs[i] ?? 0, runs[i + 1] ?? 0);
  }
  return { regionSize: EXTENTS_GRAIN_BYTES, bitmap };
}

function mark(bitmap: Uint8Array, offset: number, length: number): void {
  const last = Math.floor((offset + length - 1) / EXTENTS_GRAIN_BYTES);
  for (let grain = Math.floor(offset / EXTENTS_GRAIN_BYTES); grain <= last; grain++) {
    const byte = Math.floor(grain / 8);
    bitmap[byte] = (bitmap[byte] ?? 0) | (1 << (grain % 8));
  }
}
