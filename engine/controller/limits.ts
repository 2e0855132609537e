/** Bounds of the controller, with units and reasons. */

/** Files of one replica, head and backing file included: Longhorn's limit, so that it can open what we made. */
export const DISKS_MAX = 250;

/** bytes that an expanded size is a multiple of: the granularity of replicas. */
export const EXPANSION_MULTIPLE = 4096;

/** ms an expansion may take on a replica: it also undoes what it did when it fails. */
export const EXPAND_CALL_TIMEOUT_MS = 15_000;

/** ms members are waited for where a salvage was asked for: it is meant for those that do not come back. */
export const SALVAGE_WAIT_MS = 3_000;

/** ns between the newest head and one that is as good for a salvage, as in Longhorn. */
export const SALVAGE_TIME_TOLERANCE_NS = 5_000_000_000;

/** ms of one sample of the metrics. */
export const METRICS_INTERVAL_MS = 1_000;

/** s that `--engine-replica-timeout` may say, and what counts otherwise, as in Longhorn. */
export const REPLICA_TIMEOUT_S = { min: 8, max: 30, otherwise: 8 } as const;

/** Port of the `rest` frontend on the loopback address, as in Longhorn. */
export const REST_PORT = 9414;

/** bytes of one read or write over it: the largest payload of the data plane. */
export const REST_IO_BYTES_MAX = 1 << 20;

/** bytes that offset and length are multiples of: the smallest logical block. */
export const REST_IO_MULTIPLE = 512;

/** bytes of a request's body: the longest write in base64, and some words. */
export const REST_BODY_BYTES_MAX = 2 * REST_IO_BYTES_MAX;

/** s that a sync agent may leave a request for a part of a file unanswered: Longhorn's default. */
export const FILE_SYNC_TIMEOUT_S = 5;

/** ms that a file system may be frozen, or a freeze may take, around a snapshot: its users wait meanwhile. Longer than a
 * replica that does not answer holds a snapshot up (`--engine-replica-timeout`), shorter than a hung task is reported. */
export const FREEZE_MS_MAX = 45_000;

/** ms that unmaps wait for marks at most: initiators give up on a command after 30 s. */
export const UNMAP_MARK_WAIT_MS = 5_000;

/** ms after which marks that could not be made are tried again at the next unmap. */
export const UNMAP_MARK_PAUSE_MS = 10_000;

/** ns by which the last write of one of Longhorn's replicas may be later than that of ours after both were written by one
 * engine: clocks of nodes differ by less. */
export const ALONE_TIME_TOLERANCE_NS = 60e9;

/** ms at the end of a volume for replicas that have failed, and for one that is removed: those that are there close well within it. */
export const FAILED_CLOSE_WAIT_MS = 2_000;

/** ms in which an engine that was fenced takes its device away: two logouts. */
export const ABANDON_TIMEOUT_MS = 20_000;

/** ms for a connection to a replica when a volume begins: several times what a lost packet costs. */
export const CONNECT_WAIT_MS = 4_000;
