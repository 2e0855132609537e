/** The time as metadata of snapshots have it. */

/** RFC 3339, UTC, seconds. */
export function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
