/** Bounds of recurring jobs, with units and reasons. */

/** ms after its begin at which a job that a manager's end has broken off is not gone on with: the next one is soon enough. */
export const RESUME_MS_MAX = 3_600_000;

/** ms for a snapshot, as Longhorn waits. */
export const SNAPSHOT_WAIT_MS = 390 * 5_000;

/** ms for a volume that nobody uses to be attached. */
export const ATTACH_WAIT_MS = 300_000;

/** ms for a purge, as Longhorn waits. */
export const PURGE_WAIT_MS = 24 * 3_600_000;
