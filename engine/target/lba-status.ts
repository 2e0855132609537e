/** GET LBA STATUS (SBC-4): which blocks are mapped, from the volume's extents. */
import { LBA_STATUS_DESCRIPTORS_MAX, LBA_STATUS_RANGE_BYTES } from "./limits.js";
import { blockCount, type Geometry } from "./geometry.js";

export const PROVISIONING = { MAPPED: 0, DEALLOCATED: 1 } as const;

/** Blocks of one state, in logical blocks. */
export interface LbaRun {
  lba: number;
  blocks: number;
  status: number;
}

/** The byte range that one answer looks at. */
export function lbaStatusRange(lba: bigint, geometry: Geometry): { offset: number; length: number } {
  const offset = Number(lba) * geometry.logicalBlockSize;
  return { offset, length: Math.min(LBA_STATUS_RANGE_BYTES, geometry.size - offset) };
}

/** Runs that cover the range. A block that is allocated in part is mapped.
 * @param extents `[offset, length, offset, length, ...]` in bytes, ascending */
export function lbaRuns(
  extents: readonly number[],
  range: { offset: number; length: number },
  geometry: Geometry,
): LbaRun[] {
  const block = geometry.logicalBlockSize;
  const end = (range.offset + range.length) / block;
  const runs: LbaRun[] = [];
  let next = range.offset / block;
  const add = (until: number, status: number): void => {
    if (until <= next) return;
    const last = runs.at(-1);
    if (last?.status === status) last.blocks += until - next;
    else runs.push({ lba: next, blocks: until - next, status });
    next = until;
  };
  for (let i = 0; i + 1 < extents.length; i += 2) {
    const offset = extents[i] ?? 0;
    const length = extents[i + 1] ?? 0;
    add(Math.min(end, Math.floor(offset / block)), PROVISIONING.DEALLOCATED);
    add(Math.min(end, Math.ceil((offset + length) / block)), PROVISIONING.MAPPED);
  }
  add(end, PROVISIONING.DEALLOCATED);
  return runs;
}

export function encodeLbaStatus(runs: readonly LbaRun[]): Buffer {
  const told = runs.slice(0, LBA_STATUS_DESCRIPTORS_MAX);
  const bytes = Buffer.alloc(8 + 16 * told.length);
  bytes.writeUInt32BE(bytes.length - 4, 0);
  told.forEach((run, index) => {
    const at = 8 + 16 * index;
    bytes.writeBigUInt64BE(BigInt(run.lba), at);
    bytes.writeUInt32BE(run.blocks, at + 8);
    bytes.writeUInt8(run.status, at + 12);
  });
  return bytes;
}

export function isInside(lba: bigint, geometry: Geometry): boolean {
  return lba < blockCount(geometry);
}
