/** The disk's size and what one command may ask for; the limits are those of `native/src/scsi/limits.h`. */

export interface Geometry {
  /** bytes, 512 or 4096 */
  logicalBlockSize: number;
  /** bytes, a multiple of the logical block */
  size: number;
}

/** Bytes of a physical block: what the extent store allocates and punches by. */
export const PHYSICAL_BLOCK_SIZE = 4_096;

/** All in bytes but where the name says otherwise. */
export const COMMAND_LIMITS = {
  transfer: 16 * 2 ** 20,
  /** a burst that keeps a replica busy without holding others up */
  optimalTransfer: 2 ** 20,
  compareAndWriteBlocks: 255,
  unmap: 512 * 2 ** 20,
  unmapDescriptors: 128,
  writeSame: 16 * 2 ** 20,
} as const;

export function blockCount(geometry: Geometry): bigint {
  return BigInt(geometry.size / geometry.logicalBlockSize);
}

/** Logical blocks of a limit in bytes. */
export function inBlocks(bytes: number, geometry: Geometry): number {
  return Math.floor(bytes / geometry.logicalBlockSize);
}
