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
  return inPieces(merged, pieceBytesMax);
}

/** What of `ranges` no range of `excluded` covers. Both ascending, without overlaps; so is the result. */
export function withoutRanges(ranges: Range[], excluded: Range[]): Range[] {
  const left: Range[] = [];
  let next = 0;
  for (const { offset, length } of ranges) {
    const end = offset + length;
    let begin = offset;
    for (;;) {
      const hole = excluded[next];
      if (hole === undefined || hole.offset >= end) break;
      if (hole.offset > begin) left.push({ offset: begin, length: hole.offset - begin });
      begin = Math.max(begin, hole.offset + hole.length);
      // One that reaches further may cut the following range as well.
      if (begin > end) break;
      next++;
    }
    if (begin < end) left.push({ offset: begin, length: end - begin });
  }
  return left;
}

/** Those of `ranges`, which ascend without overlaps, that have something of `range`. */
export function touching(ranges: readonly Range[], { offset, length }: Range): Range[] {
  let [from, to] = [0, ranges.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const one = ranges[middle];
    if (one !== undefined && one.offset + one.length <= offset) from = middle + 1;
    else to = middle;
  }
  const found: Range[] = [];
  for (let one = ranges[from]; one !== undefined && one.offset < offset + length; one = ranges[++from])
    found.push(one);
  return found;
}

/** The same, each at most `bytesMax` long. */
export function inPieces(ranges: Range[], bytesMax: number): Range[] {
  return ranges.flatMap((range) => pieces(range, bytesMax));
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
