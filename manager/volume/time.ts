/** Times as objects have them: RFC 3339, whole seconds. */

export function formatTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** @returns ms since 1970; -Infinity when there is none */
export function parseTime(time: string): number {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? -Infinity : ms;
}
