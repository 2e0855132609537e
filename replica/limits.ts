/** Every bound of the replica daemon, with unit and reason. */

/** Files of a chain, head included: Longhorn refuses longer ones at open. */
export const CHAIN_FILES_MAX = 250;

/** Entries of a replica directory that are looked at: branches included, far above what 250 snapshots leave. */
export const DIRECTORY_ENTRIES_MAX = 10_000;

/** Bytes of a metadata file: labels are free text, but nobody keeps a megabyte of them. */
export const META_BYTES_MAX = 1 << 20;

/** Bytes of a `.checksum` file: five short keys. */
export const CHECKSUM_FILE_BYTES_MAX = 16 << 10;

/** Bytes of `aurochs.record`: engine state (64 KiB, in base64) and a list of members. */
export const RECORD_BYTES_MAX = 256 << 10;

/** Bytes of `aurochs.intent`: the names of all files of a replica directory, for its deletion. */
export const INTENT_BYTES_MAX = 4 << 20;

/** Members of a generation: the addon's slots. */
export const MEMBERS_MAX = 16;

/** Characters of ids and names: Longhorn's bound for volume names. */
export const NAME_LENGTH_MAX = 64;

/** Bytes per region of the write-intent map: 1 GiB of recent writes is 1024 bits, a settled region is cheap to compare. */
export const REGION_BYTES = 1 << 20;

/** Threads of a store for reads that miss the page cache: what one NVMe needs to be busy, and a Pi can spare. */
export const IO_THREADS = 4;

/** Requests in flight per data stream, the payload of one and of all of them in bytes: `native/src/base/limits.h`. */
export const STREAM_REQUESTS_MAX = 1024;
export const PAYLOAD_BYTES_MAX = 1 << 20;
export const STREAM_PAYLOAD_BYTES_MAX = 64 << 20;

/** Data connections of one replica: an engine has one; the rest is for its successor and for strangers. */
export const DATA_CONNECTIONS_MAX = 16;

/** Entries of a qcow2 L1 table (32 MiB, as in qemu). */
export const QCOW2_L1_ENTRIES_MAX = 4 << 20;

/** Runs of a backing file's map: 256 GiB of 64 KiB clusters in no order at all. */
export const QCOW2_RUNS_MAX = 4 << 20;

/** What of a backing image is looked at to tell it from another one: bytes at its beginning, bytes from one further block to the next, and
 * how many of those (64 GiB). A start waits for it: 20 ms where a disk takes 0.1 ms for a block of a 10 GiB image. */
export const FINGERPRINT_HEAD_BYTES = 2 << 20;
export const FINGERPRINT_STEP_BYTES = 64 << 20;
export const FINGERPRINT_SAMPLES_MAX = 1024;

/** Exponent of a qcow2 cluster's size: 512 bytes by the format, 2 MiB by qemu. */
export const QCOW2_CLUSTER_BITS_MIN = 9;
export const QCOW2_CLUSTER_BITS_MAX = 21;

/** Decisions (control calls, HELLOs) of one replica that wait for their turn: each may wait for a sync of the disk. */
export const DECISIONS_WAITING_MAX = 64;

/** Bytes of a bitmap in one reply: 512 GiB of grains, far below the 4 MiB that gRPC takes by default. */
export const MISSED_PART_BYTES = 1 << 20;

/** ms between looks whether the head's file is still there: an engine takes seconds more to drop a replica. */
export const HEAD_CHECK_MS = 1_000;

/** How long a prepared snapshot waits for its commit, ms: the engine prepares all replicas, and commits at once. */
export const SNAPSHOT_PREPARED_MS_MAX = 30_000;

/** Bytes that are copied in one go when two files are folded. */
export const FOLD_STEP_BYTES = 2 << 20;

/** Runs that are freed in one go, after one sync of what hides them. */
export const PRUNE_RUNS_MAX = 4096;

/** Bytes that are written to a file between two syncs, so that the last one is short: a slow disk must not let a request
 * time out. */
export const SYNC_BYTES = 16 << 20;

/** Bytes by which the last extent of a file may pass its end: the largest block of a file system. */
export const EXTENT_SLACK = 64 << 10;
