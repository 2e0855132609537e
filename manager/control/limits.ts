/** Bounds of the loops, with units and reasons. */

/** ms until a key whose work failed is tried again: the first time, and at most. */
export const RETRY_MS = { first: 100, max: 60_000 } as const;

/** Keys worked on at a time by one loop: the work is mostly waiting for nodes. */
export const WORKERS = 8;

/** ms between two looks at the clock at most: it may have been set. */
export const LOOK_PERIOD_MS = 60_000;
