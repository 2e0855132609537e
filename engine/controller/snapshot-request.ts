/** What replicas are asked for when all of them are to take one snapshot, or to become larger. */

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

/** An expansion, likewise: the replica itself names its snapshot.
 * @param size bytes */
export function expansionInTwoParts(size: number, created: string, commitTimeoutMs: number) {
  return {
    request: { name: "", userCreated: false, created, labels: {}, expandTo: size },
    commitTimeoutMs,
  };
}
