/** Bounds of calls to engines and replicas over Longhorn's gRPC, as Longhorn's clients have them. */

/** ms for ordinary calls. */
export const CALL_TIMEOUT_MS = 180_000;

/** ms in which a replica says what it is: it has that in memory, and clients of the controller wait for it. */
export const QUERY_TIMEOUT_MS = 30_000;

/** looks in a row at what somebody else is doing that may fail. */
export const QUERY_FAILURES_MAX = 2;

/** ms for a replica to be closed after it was removed: it makes everything durable. */
export const CLOSE_WAIT_MS = 60_000;

/** ms between looks at what somebody else is doing. */
export const POLL_MS = 250;

/** ms for calls that move all data of a volume, unless the caller says otherwise. */
export const LONG_CALL_TIMEOUT_MS = 86_400_000;
