/** Times as metadata of snapshots and objects have them: RFC 3339, UTC, whole seconds. */

/** @param ms since 1970 */
export function formatTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

export function now(): string {
  return formatTime(Date.now());
}
