/** Sizes and periods of the cluster tests, with units and reasons. */

export const MIB = 1 << 20;
export const GIB = 1 << 30;

/** The first users' cluster, and its volumes, GiB. */
export const NODES = 4;
export const FULL_VOLUMES = [1, 1, 1, 3, 3, 10, 10, 10, 10, 10, 10, 10, 10, 10, 50];
/** A cut through it, for every day. */
export const SOME_VOLUMES = [1, 1, 3, 10];

/** Of each node's disk, a sparse file: volumes are promised twice their size. */
export const DISK_BYTES = 300 * GIB;

/** ms that a step may take until all is well again, on a machine that is busy. */
export const STEP_MS = 90_000;

/** Blocks that a workload writes, so that what it has written can be read again within a moment. */
export const WORKLOAD_BLOCKS = 512;
export const BLOCK_BYTES = 4096;
/** ms between two operations of a workload: the drill is about what happens, not about speed. */
export const WORKLOAD_PAUSE_MS = 20;

/** ms that a node is off. */
export const REBOOT_MS = 5_000;
/** s after which another replica is made for one that stays away. */
export const REPLENISH_S = 25;

/** What a node has whose idling is measured, and bytes that all of it may have for itself: what users of 16 GiB boards can spare. */
export const IDLE_ENGINES = 4;
export const IDLE_GIB = 10;
export const IDLE_BYTES_MAX = 300 * MIB;
/** Of one core, per cent, that all of it may take. */
export const IDLE_CPU_MAX = 3;
