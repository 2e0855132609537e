/** Bounds and periods of the API, with units and reasons. */

/** bytes of a request's body: the largest that a client sends is a node with all its disks, some 10 KiB. */
export const BODY_BYTES_MAX = 1 << 20;

/** bytes of a request's line and headers together. */
export const HEADER_BYTES_MAX = 16 << 10;

/** ms for a request's headers to arrive. */
export const HEADERS_TIMEOUT_MS = 10_000;

/** ms for a whole request to arrive. */
export const REQUEST_TIMEOUT_MS = 30_000;

/** ms that an idle connection is kept: longer than the periods in which clients poll. */
export const KEEP_ALIVE_MS = 60_000;

/** connections at once: a dashboard has up to eight streams open, a node's driver one call. */
export const CONNECTIONS_MAX = 1_024;

/** streams at once. */
export const STREAMS_MAX = 256;

/** ms: longest time that a client may ask for between two messages. */
export const STREAM_PERIOD_MS_MAX = 15_000;

/** ms between two pings of a stream. Who has not answered one when the next is due is gone. */
export const PING_PERIOD_MS = 15_000;

/** ms for a message to leave: a client that takes longer is too slow to be kept. */
export const WRITE_TIMEOUT_MS = 10_000;

/** bytes that a client may send in one message of a stream: they are thrown away. */
export const STREAM_INPUT_BYTES_MAX = 4 << 10;

/** ms for requests in flight to end when the server closes. */
export const CLOSE_TIMEOUT_MS = 5_000;
