/** Sizes on Longhorn's command line. Pure. */

const SIZE = /^(\d+(?:\.\d+)*) ?([kmgtp])?i?b?$/i;
const POWER_OF_SUFFIX: Record<string, number> = { k: 1, m: 2, g: 3, t: 4, p: 5 };

/** @returns bytes: plain, or a number with k, m, g, t or p, then `i` and `b` if you like, in any case; base 1024 */
export function parseSize(text: string): number {
  const match = SIZE.exec(text);
  const bytes =
    match === null
      ? NaN
      : Math.floor(Number(match[1]) * 1024 ** (POWER_OF_SUFFIX[(match[2] ?? "").toLowerCase()] ?? 0));
  if (!Number.isSafeInteger(bytes)) throw new Error(`invalid size: '${text}'`);
  return bytes;
}
