/** Bounds and periods of events, with units and reasons. */

/** The newest: a cluster in trouble has some ten a second. */
export const EVENTS_MAX = 5_000;

/** ms after the last time that it happened: as Kubernetes keeps them unless told otherwise. */
export const EVENT_AGE_MS_MAX = 3_600_000;

/** characters: as Kubernetes takes at most. */
export const MESSAGE_LENGTH_MAX = 1_024;

/** ms until events are durable. Each write costs a sync of the database, and an event that a crash takes is of no loss to the
 * data: many go into one write. */
export const FLUSH_PERIOD_MS = 1_000;
