/** Bounds and periods of the node agent, with units and reasons. */

/** Attempts to reach a process that was started, and ms between them, as in Longhorn: a minute in all. */
export const HEALTH_ATTEMPTS_MAX = 600;
export const HEALTH_POLL_MS = 100;
/** ms that one attempt may take: it goes to this machine. */
export const HEALTH_TIMEOUT_MS = 2_000;

/** ms that a process may take to end before it is killed, as in Longhorn: an engine gives itself less. */
export const STOP_TIMEOUT_MS = 60_000;

/** ms between looks at a process that another agent started: only a parent is told of an end. */
export const ADOPTED_POLL_MS = 1_000;

/** ms before a crashed process is started again: the first time at once, as initiators wait; then longer each time. */
export const RESTART_DELAY_MS = 100;
export const RESTART_DELAY_MS_MAX = 5_000;
/** ms after which a process counts as having run well, and the pauses begin anew. */
export const STEADY_MS = 30_000;

/** ms that the newer of two processes may take in a replacement, as in Longhorn. */
export const REPLACE_WAIT_MS = 30_000;

/** Changes that a watcher may be behind before its stream is ended, as in Longhorn: it lists anew then. */
export const WATCH_BACKLOG_MAX = 100;

/** ms that the replica host may take to host a replica before it is asked again whether it has: it may have to load the extents of a large one,
 * or wait for a disk, and goes on with it. */
export const HOST_TIMEOUT_MS = 60_000;
/** ms to let one go: all of it is made durable. */
export const UNHOST_TIMEOUT_MS = 60_000;
/** ms for the replica host to be there after it was started: a busy board needs seconds to load Node. */
export const HOST_START_TIMEOUT_MS = 30_000;
export const HOST_POLL_MS = 20;
/** How often a replica is tried to be hosted again after the host's crash before it is given up. */
export const REHOST_ATTEMPTS_MAX = 5;

/** ms between looks at the mount table, as in Longhorn. */
export const MOUNTS_PERIOD_MS = 10_000;

/** ms between looks at disks, as in Longhorn; and the step that available bytes are told in. */
export const DISKS_PERIOD_MS = 30_000;
export const AVAILABLE_STEP_BYTES = 100 << 20;

/** ms that a look at a disk may take before the disk counts as one that hangs: longer than the kernel waits for a drive's command before it
 * tries to reset it, or a drive needs to spin up. */
export const DISK_TIMEOUT_MS = 30_000;
/** The same at the start of the agent, which serves nobody before; managers take a node for down that is away for 15 s. */
export const FIRST_LOOK_TIMEOUT_MS = 5_000;
/** What may be under way and wait on one disk: its manager asks for one removal of each replica that has gone, and asks again. */
export const DISK_JOBS_MAX = 100;

/** ms that fstrim may take: it visits all free space of a file system. */
export const TRIM_TIMEOUT_MS = 3_600_000;

/** ms between looks at what replicas do while something is under way there; nobody tells of progress. */
export const PROGRESS_PERIOD_MS = 1_000;
/** ms between looks at replicas when nothing is under way: somebody else may drive them. */
export const REFRESH_PERIOD_MS = 60_000;
/** ms between attempts to follow an engine. */
export const FOLLOW_RETRY_MS = 500;

/** Starts of an engine in vain that are remembered by their ids: an hour of them, at the longest pauses. */
export const ENGINE_IDS_MAX = 700;

/** Bytes of the end of a log that are searched for why its process ended, and characters that are told of it. */
export const LOG_END_BYTES = 64 << 10;
export const LAST_WORDS_LENGTH_MAX = 500;

/** Bytes of a log behind which it is cut, and as many older ones are kept beside it: days of an engine that cannot reach a replica.
 * With `LOGS_KEPT_MAX` they fit on an SD card many times over, even if all are full. */
export const LOG_BYTES_MAX = 4 << 20;
/** ms between looks at the lengths of logs: a minute of a line per ms is a few MiB. */
export const LOGS_PERIOD_MS = 60_000;
/** Instances that are gone whose logs are kept: to look into what happened to the latest ones. */
export const LOGS_KEPT_MAX = 100;
/** Exit codes that are kept of instances that are gone: of one that is replaced it comes after the instance has gone. */
export const EXIT_CODES_KEPT_MAX = 100;

/** Names whose last ports are remembered. */
export const PORTS_REMEMBERED_MAX = 1_000;

/** ms that an engine may take to tell what it has counted: nothing is asked of anybody else. */
export const TOTALS_TIMEOUT_MS = 2_000;
