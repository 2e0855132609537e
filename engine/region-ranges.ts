/** Region bitmaps of several replicas, as the byte ranges that have to be compared. */
import type { InheritedRegionsReply } from "../proto/control.js";

export interface Range {
  /** bytes */
  offset: number;
  /** bytes, > 0 */
  length: number;
}

/** The union of the regions set in any bitmap, ascending, in pieces of at most `pieceBytesMax`.
 * Replicas may have regions of different size.
 * @param size of the volume, bytes; the last region may be shorter */
export function unionOfRegions(
  replies: InheritedRegionsReply[],
  size: number,
  pieceBytesMax: number,
): Range[] {
  const runs = replies.flatMap((reply) => runsOf(reply, size)).sort((a, b) => a.offset - b.offset);
  const merged: Range[] = [];
  for (const run of runs) {
    const last = merged.at(-1);
    if (last !== undefined && run.offset <= last.offset + last.length) {
      last.length = Math.max(last.length, run.offset + run.length - last.offset);
    } else merged.push({ ...run });
  }
  return merged.flatMap((range) => pieces(range, pieceBytesMax));
}

export function bytesOf(ranges: Range[]): number {
  return ranges.reduce((sum, range) => sum + range.length, 0);
}

function* regionsOf(bitmap: Uint8Array): Generator<number> {
  for (const [index, byte] of bitmap.entries()) {
    if (byte === 0) continue;
    for (let bit = 0; bit < 8; bit++) if ((byte >> bit) & 1) yield index * 8 + bit;
  }
}

function runsOf({ regionSize, bitmap }: InheritedRegionsReply, size: number): Range[] {
  const runs: Range[] = [];
  for (const region of regionsOf(bitmap)) {
    const offset = region * regionSize;
    const length = Math.min(regionSize, size - offset);
    if (length > 0) runs.push({ offset, length });
  }
  return runs;
}

function pieces(range: Range, bytesMax: number): Range[] {
  const result: Range[] = [];
  for (let done = 0; done < range.length; done += bytesMax) {
    result.push({ offset: range.offset + done, length: Math.min(bytesMax, range.length - done) });
  }
  return result;
}
