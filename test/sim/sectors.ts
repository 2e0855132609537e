/** Data as the simulator keeps them, one number per sector, and as bytes: each sector is filled with its number. */
import { BLOCK_BYTES, BLOCK_SECTORS, SECTOR_BYTES } from "./block-file.js";

export { BLOCK_BYTES, BLOCK_SECTORS, SECTOR_BYTES };

const WORDS = SECTOR_BYTES / 4;

export function sectorsOf(bytes: Uint8Array): Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: bytes.length / SECTOR_BYTES }, (_, i) =>
    view.getInt32(i * SECTOR_BYTES, true),
  );
}

export function bytesOf(sectors: Int32Array): Buffer {
  const words = new Int32Array(sectors.length * WORDS);
  for (const [i, sector] of sectors.entries()) words.fill(sector, i * WORDS, (i + 1) * WORDS);
  return Buffer.from(words.buffer);
}
