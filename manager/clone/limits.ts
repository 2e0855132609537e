/** Bounds of clones, with units and reasons. */

/** After so many copies that failed it is given up, as Longhorn does. */
export const ATTEMPTS_MAX = 10;

/** ms until the second attempt, doubled each time. */
export const ATTEMPT_DELAY_MS = 30_000;

/** ms until it is looked again at a clone that waits: nodes, of which nothing is followed, may be ready again. */
export const WAIT_PERIOD_MS = 15_000;
