/** Bounds of calls to engines and replicas over Longhorn's gRPC, as Longhorn's clients have them. */

/** ms for ordinary calls. */
export const CALL_TIMEOUT_MS = 180_000;

/** ms for calls that move all data of a volume, unless the caller says otherwise. */
export const LONG_CALL_TIMEOUT_MS = 86_400_000;
