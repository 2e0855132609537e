/** What replicas are asked for when all of them are to take one snapshot. */

export interface SnapshotRequest {
  name: string;
  userCreated: boolean;
  created: string;
  labels: Record<string, string>;
}

/** The same, prepared while I/O goes on.
 * @param commitTimeoutMs how long I/O may be held for it */
export function inTwoParts(snapshot: SnapshotRequest, commitTimeoutMs: number) {
  return { request: { ...snapshot, expandTo: 0 }, commitTimeoutMs };
}
