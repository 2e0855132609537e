/** Bounds of the work on snapshots, with units and reasons. */

/** ms between two purges of a volume that are asked for: one that takes nothing away is not asked for again and again. */
export const PURGE_PERIOD_MS = 30_000;

/** ms until a snapshot that could not be made is tried again. */
export const REFUSED_RETRY_MS = 30_000;
