/** Bounds of the work on snapshots, with units and reasons. */

/** ms between two purges of a volume that are asked for: one that takes nothing away is not asked for again and again. */
export const PURGE_PERIOD_MS = 30_000;

/** ms until a snapshot that could not be made is tried again. */
export const REFUSED_RETRY_MS = 30_000;

/** ms between two looks at how far hashing is: a file of some GiB takes seconds. */
export const HASH_POLL_MS = 2_000;

/** Times that a snapshot is asked to be hashed while a node hashes another one: some minutes. */
export const HASH_BUSY_TRIES_MAX = 150;

/** ms for one snapshot, as Longhorn waits. */
export const HASH_WAIT_MS = 24 * 3_600_000;
