/** Times as objects have them, read. */

/** @param time RFC 3339, or "" for none
 * @returns ms since 1970; -Infinity when there is none */
export function parseTime(time: string): number {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? -Infinity : ms;
}
