/** Bounds and periods of what the manager does with nodes' agents, with units and reasons. */

/** ms of silence after which an agent is asked whether it is there, and ms that it has to answer: a node that was unplugged
 * says nothing. */
export const KEEPALIVE_MS = 3_000;

/** ms between attempts to reach an agent. */
export const RETRY_MS = 1_000;

/** ms that an agent may be away before its node counts as down: it is restarted within seconds, as by an upgrade, and what
 * runs there goes on meanwhile. */
export const NODE_GRACE_MS = 15_000;

/** ms for a call that an agent answers by itself. */
export const CALL_TIMEOUT_MS = 10_000;

/** ms for one that waits for an engine and its replicas, which have limits of their own. */
export const ENGINE_CALL_TIMEOUT_MS = 60_000;

/** ms after which a command to an engine that failed is given again: the first time, and at most. */
export const COMMAND_RETRY_MS = { first: 2_000, max: 300_000 } as const;

/** ms in which an engine that has begun to grow, and grows no more, tells what has come of it: one that ended meanwhile never does. */
export const EXPANSION_REPORT_MS = 30_000;

/** Attempts to make a new replica whole before it is given up, and another one made. */
export const ADD_TRIES_MAX = 3;

/** Ports of a replica: control, data, sync agent, and seven receivers, as Longhorn gives it. */
export const REPLICA_PORTS = 10;
export const RECEIVERS = 7;

/** Ports of an engine: control, and its iSCSI target's. */
export const ENGINE_PORTS = 2;

/** ms for fstrim, which visits all free space of a file system. */
export const TRIM_TIMEOUT_MS = 3_600_000;

/** ms until a replica is looked at again that its engine has still to let go. */
export const RELEASE_POLL_MS = 1_000;

/** ms until a directory that could not be made a disk is tried again. */
export const DISK_RETRY_MS = 30_000;

/** ms for what engines have counted: whoever collects metrics waits for all nodes. */
export const TOTALS_TIMEOUT_MS = 3_000;

/** ms that what is deleted waits for a disk which its node's agent cannot use: agents look at disks every 30 s, and a node that was
 * just started may not have mounted all. */
export const LOST_DISK_MS = 60_000;
