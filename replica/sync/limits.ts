/** Every bound of the sync agent, with unit and reason. */

/** Bytes of one comparison or transfer: Longhorn's batch of 512 blocks. */
export const BATCH_BYTES = 2 << 20;

/** Extents in one request: a batch of single blocks. A hole that is longer than this ends what is sent together. */
export const EXTENTS_PER_REQUEST_MAX = 512;
export const HOLE_BYTES_MAX = 1 << 30;

/** Small writes of a receiver under way at a time. */
export const EXTENT_WRITES = 16;

/** Batches under way per file, as Longhorn's sender. */
export const SENDER_WORKERS = 4;

/** Bytes that a file's sender is allowed to send at a time, and how often ahead of what it has sent: enough for it not to wait for
 * us at the speed of memory, and little to send past a rate that is limited from now on. */
export const ALLOWANCE_BYTES = 2 << 20;
export const ALLOWANCES_AHEAD = 8;

/** ms of the rate allowed that a sender may be ahead after a pause: little enough for no queue to grow. */
export const RATE_BURST_MS = 50;

/** ms for which an engine's word about the pace counts at the most: one that is gone must not slow anything down for long. */
export const PACE_TOLD_MS_MAX = 10_000;

/** ms without an operation after which a volume's users are taken to be away: a pause of theirs is shorter. */
export const FOREGROUND_QUIET_MS = 1_000;

/** ms for which they are taken to be there when nobody has looked for so long: in it, whoever matters has an operation. */
export const FOREGROUND_LOOK_MS = 50;

/** ms for which a receiver may not answer at first: it is started by somebody else at the same time. */
export const OPEN_RETRY_MS = 120_000;
export const OPEN_RETRY_PAUSE_MS = 1_000;

/** Seconds per request when the caller says nothing: Longhorn's default. */
export const REQUEST_TIMEOUT_SECONDS = 5;

/** ms for the last request: the receiver makes the file durable before it answers. */
export const CLOSE_TIMEOUT_MS = 120_000;

/** ms for a receiver to look up where a file has holes: its disk may have to be asked for millions of extents. */
export const LAYOUT_TIMEOUT_MS = 120_000;

/** ms without any request after which a receiver ends: its sender is gone. */
export const RECEIVER_IDLE_MS = 90_000;

/** Bytes of a request's body and of a range that is hashed: four times Longhorn's batch. */
export const RANGE_BYTES_MAX = 8 << 20;

/** Connections of one receiver: a sender has one or two per worker. Together with the above: 256 MiB at the worst. */
export const RECEIVER_CONNECTIONS_MAX = 32;

/** Bytes that an answer may have: a checksum, or the content of a checksum file. */
export const ANSWER_BYTES_MAX = 64 << 10;

/** Bytes of a file's name (Linux), less the longest suffix that we put behind it. */
export const NAME_BYTES_MAX = 255 - ".receiving".length;

/** How often a file is asked for, as Longhorn 1.12 does, and the ms before the next try. */
export const TRIES_PER_FILE = 3;
export const TRY_PAUSE_MS = 1_000;

/** Bytes of a file that are looked at together when layers are merged: bounds what is known of their extents at a time. */
export const MERGE_WINDOW_BYTES = 64 << 20;

/** ms for ordinary calls to replicas and other sync agents, and for those that move files (a day), as Longhorn's clients. */
export const CALL_TIMEOUT_MS = 180_000;
export const LONG_CALL_TIMEOUT_MS = 86_400_000;

/** Files of one rebuild: a replica's 250 disks with their metas, all branches, far below what a directory may hold. */
export const FILES_PER_SYNC_MAX = 2_000;

/** Hash jobs that are waiting or under way, and finished ones that are remembered: of each outcome, as Longhorn. */
export const HASH_JOBS_WAITING_MAX = 1_000;
export const HASH_JOBS_KEPT = 10;
