/** Bounds of plain files that are copies, with units and reasons. */

/** Bytes per region of a map that nobody reads: as few syncs of it as can be. */
export const REGION_BYTES = 1 << 30;

/** Threads for reads that miss the page cache: as those of a replica. */
export const IO_THREADS = 4;

/** Of a data stream, as of a replica's: `native/src/base/limits.h`. One connection is this engine's, one may take its place. */
export const STREAM = {
  maxRequests: 1024,
  maxPayload: 1 << 20,
  maxPayloadInFlight: 64 << 20,
  connectionsMax: 4,
} as const;
