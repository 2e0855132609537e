/** Which size a volume has at start, and which replicas fit it. Pure. */

/** @param size nominal, bytes
 * @param currentSize bytes; 0 when it is not known
 * @param sizes of the copies that could be opened */
export function volumeSizeAtStart(size: number, currentSize: number, sizes: readonly number[]): number {
  if (currentSize === 0) return size;
  // An expansion had ended on all of them before its result could be stored.
  return sizes.length > 0 && sizes.every((one) => one === size) ? size : currentSize;
}
