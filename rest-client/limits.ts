/** Bounds of the client, with units and reasons. */

/** ms that a call may take, with its reply. */
export const CALL_TIMEOUT_MS = 30_000;

/** ms where the manager answers when an engine has: it gives each call of an engine 60 s, and may need two. */
const ENGINE_TIMEOUT_MS = 130_000;

/** ms of calls that are answered when they are done: longer than the manager waits, so that it says what became of them. */
export const ACTION_TIMEOUT_MS: Readonly<Partial<Record<string, number>>> = {
  snapshotCreate: ENGINE_TIMEOUT_MS,
  snapshotDelete: ENGINE_TIMEOUT_MS,
  snapshotGet: ENGINE_TIMEOUT_MS,
  snapshotList: ENGINE_TIMEOUT_MS,
  snapshotPurge: ENGINE_TIMEOUT_MS,
  snapshotRevert: ENGINE_TIMEOUT_MS,
  // All free space of the file system is visited: the manager gives it an hour.
  trimFilesystem: 3_660_000,
};

/** bytes of a reply: all volumes with all replicas of a large cluster are a few MiB. */
export const REPLY_BYTES_MAX = 64 << 20;

/** ms without a sign of life after which a stream counts as ended: the server sends a ping every 15 s. */
export const STREAM_SILENCE_MS = 40_000;

/** ms for a stream to open. */
export const STREAM_OPEN_MS = 10_000;
