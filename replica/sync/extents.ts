/**
 * A request of ours in the file sync protocol: several extents of a file at once. Longhorn's carry one each, and where data
 * and holes alternate the requests cost more than the data. Receivers that take it say so by a header.
 *
 * Body, little-endian: u32 count; count times u32 bytes of hole before the extent, u32 its length; then the data of all.
 * Behind the last extent is hole up to the end of the range.
 */
import { EXTENTS_PER_REQUEST_MAX } from "./limits.js";
import type { Range } from "./query.js";

/** On every answer of a receiver that takes extents. */
export const EXTENTS_HEADER = "x-aurochs-extents";

/** bytes */
export interface Extent {
  offset: number;
  length: number;
}

const COUNT_BYTES = 4;
const ENTRY_BYTES = 8;

/** @param extents ascending, apart from each other, inside of the range */
export function formatExtents({ begin }: Range, extents: readonly Extent[]): Buffer {
  const head = Buffer.allocUnsafe(COUNT_BYTES + extents.length * ENTRY_BYTES);
  let at = head.writeUInt32LE(extents.length);
  let end = begin;
  for (const { offset, length } of extents) {
    at = head.writeUInt32LE(length, head.writeUInt32LE(offset - end, at));
    end = offset + length;
  }
  return head;
}

/** @returns the extents, and what stands behind them
 * @throws {RangeError} they are not whole, too many, or pass the range */
export function parseExtents(range: Range, body: Buffer): { extents: Extent[]; data: Buffer } {
  const count = body.length < COUNT_BYTES ? 0 : body.readUInt32LE(0);
  const headBytes = COUNT_BYTES + count * ENTRY_BYTES;
  if (count < 1 || count > EXTENTS_PER_REQUEST_MAX || headBytes > body.length)
    throw new RangeError(`${count} extents in a body of ${body.length} bytes`);
  const extents: Extent[] = [];
  let end = range.begin;
  for (let at = COUNT_BYTES; at < headBytes; at += ENTRY_BYTES) {
    const offset = end + body.readUInt32LE(at);
    const length = body.readUInt32LE(at + 4);
    end = offset + length;
    if (length === 0 || end > range.end)
      throw new RangeError(`an extent of ${length} bytes at ${offset} in ${range.begin}-${range.end}`);
    extents.push({ offset, length });
  }
  return { extents, data: body.subarray(headBytes) };
}

export function bytesOf(extents: readonly Extent[]): number {
  return extents.reduce((sum, { length }) => sum + length, 0);
}

/** What lies between extents and around them. */
export function holesOf({ begin, end }: Range, extents: readonly Extent[]): Extent[] {
  const holes: Extent[] = [];
  let from = begin;
  for (const { offset, length } of [...extents, { offset: end, length: 0 }]) {
    if (offset > from) holes.push({ offset: from, length: offset - from });
    from = offset + length;
  }
  return holes;
}
