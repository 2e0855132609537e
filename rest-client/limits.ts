/** Bounds of the client, with units and reasons. */

/** ms that a call may take, with its reply: a purge or a trim is begun within, and not waited for. */
export const CALL_TIMEOUT_MS = 30_000;

/** bytes of a reply: all volumes with all replicas of a large cluster are a few MiB. */
export const REPLY_BYTES_MAX = 64 << 20;

/** ms without a sign of life after which a stream counts as ended: the server sends a ping every 15 s. */
export const STREAM_SILENCE_MS = 40_000;

/** ms for a stream to open. */
export const STREAM_OPEN_MS = 10_000;
