/** Bounds and periods of the fault rig, with units and reasons. */

/** bytes of the volume under test: small, so that copies are compared in an instant */
export const VOLUME_BYTES = 64 << 20;

/** sectors (512 bytes) that the load uses: few, so that operations meet each other */
export const LOAD_SECTORS = 8192;
export const LOAD_SESSIONS = 3;
export const LOAD_DEPTH = 8;
/** operations started a second, by all sessions together: leaves a processor to those that are tested */
export const LOAD_RATE = 1_200;

/** ms a replica may leave an operation unanswered; shorter than the default, so that a scenario takes seconds */
export const REPLICA_TIMEOUT_MS = 2_000;

/** ms for a process to be ready, to end, or for the load to do something: a busy machine may take long */
export const PATIENCE_MS = 60_000;

/** ms in which a volume has to be healthy again after the fault is over: a replica that was looked at in vain is looked at
 * again after 15 s, and is then made equal */
export const RECOVERY_MS = 90_000;

/** ms between two looks at the status of an engine */
export const STATUS_INTERVAL_MS = 100;

/** violations of one history that are told: the rest repeats them */
export const VIOLATIONS_TOLD = 20;
