/** READ CAPACITY(10) and (16) (SBC-4). */
import { blockCount, PHYSICAL_BLOCK_SIZE, type Geometry } from "./geometry.js";

export function readCapacity10(geometry: Geometry): Buffer {
  const last = blockCount(geometry) - 1n;
  const bytes = Buffer.alloc(8);
  // All ones: ask READ CAPACITY(16).
  bytes.writeUInt32BE(last > 0xffff_fffen ? 0xffff_ffff : Number(last), 0);
  bytes.writeUInt32BE(geometry.logicalBlockSize, 4);
  return bytes;
}

export function readCapacity16(geometry: Geometry): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeBigUInt64BE(blockCount(geometry) - 1n, 0);
  bytes.writeUInt32BE(geometry.logicalBlockSize, 8);
  const exponent = Math.log2(PHYSICAL_BLOCK_SIZE / geometry.logicalBlockSize);
  bytes.writeUInt8(Math.max(0, exponent), 13);
  bytes.writeUInt16BE(0xc000, 14); // LBPME, LBPRZ; lowest aligned LBA 0
  return bytes;
}
