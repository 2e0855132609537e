/** Times as objects have them, read; and how long is waited between attempts. */

/** @param time RFC 3339, or "" for none
 * @returns ms since 1970; -Infinity when there is none */
export function parseTime(time: string): number {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? -Infinity : ms;
}

/** @param failures one after the other, > 0
 * @param bounds ms, the first time and at most; doubled in between
 * @returns ms until the next attempt */
export function pauseMs(failures: number, { first, max }: { first: number; max: number }): number {
  return Math.min(first * 2 ** (failures - 1), max);
}
