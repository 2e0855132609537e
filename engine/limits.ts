/** Bounds and periods of the engine, with units and reasons. */

/** Above every generation that an absent replica can have reached by itself: each start or failure takes one. */
export const SALVAGE_GENERATION_LEAP = 1 << 20;

/** Replicas of one volume: the slots of the native Volume. */
export const REPLICAS_MAX = 16;

/** ms one control call may take; a replica syncs a small file and drains its requests in that time. */
export const CONTROL_TIMEOUT_MS = 5_000;

/** ms an Identify may take: it changes nothing and waits for nothing. */
export const IDENTIFY_TIMEOUT_MS = 2_000;

/** ms an Agreed or Release may take: it syncs all data of a replica. */
export const SYNC_TIMEOUT_MS = 60_000;

/** ms to connect a data stream and have HELLO answered: the replica decides at once. */
export const CONNECT_TIMEOUT_MS = 2_000;

/** ms an engine waits at start for members that have not answered before it refuses. */
export const MEMBERS_WAIT_MS = 30_000;

/** ms an engine waits at start for a member that is not needed: a machine that starts at the same time comes in this time, and
 * initiators wait longer than that. */
export const MISSING_MEMBER_WAIT_MS = 5_000;

/** ms that a connection is kept on which nobody has answered: while a host is away its kernel tries again ever more rarely, and while a process
 * hangs every other one stays open as well. */
export const UNANSWERED_MS = 20_000;

/** ms between looks at the witness, and without an answer until copies go on without it: a restart is no reason. */
export const WITNESS_POLL_MS = 1_000;
export const WITNESS_GRACE_MS = 5_000;
/** ms between looks while the witness is a member and answers: what it says renews the lease on reads, and each look costs both ends some ms of a processor. */
export const WITNESS_CALM_POLL_MS = 2_000;

/** ms one voter may take: it stores a small file. */
export const VOTER_TIMEOUT_MS = 2_000;

/** ms between ballots that got into each other's way, about: first and longest. */
export const BALLOT_RETRY_MS = 10;
export const BALLOT_RETRY_MS_MAX = 250;

/** ms that reads count after another member was asked, and said, that no other engine has taken over. Whoever takes over without asking a
 * copy that may be read waits a tenth longer, for clocks that run unlike each other. */
export const READ_LEASE_MS = 3_000;
export const READ_LEASE_WAIT_MS = 3_300;

/** ms after which all members are asked if not enough have said so: the witness was asked before, and what is left is enough for a packet that
 * gets lost. And between looks while they have not. */
export const READ_LEASE_ASK_MS = 2_250;
export const READ_LEASE_LOOK_MS = 250;

/** ms between two rounds of asking at start. */
export const MEMBERS_POLL_MS = 100;

/** ms that a replica whose stream ended may take to come back before it is recorded as failed, while another holds the
 * data: a restarted daemon needs a second on a busy board. Writes wait meanwhile, and initiators wait at least 30 s. */
export const RECONNECT_GRACE_MS = 5_000;

/** ms between attempts to reach a replica that is waited for: first and longest. */
export const RECONNECT_DELAY_MS = 50;
export const RECONNECT_DELAY_MS_MAX = 250;

/** ms to collect answers of other replicas after one ran out of space: equal disks fill up at the same time. */
export const NO_SPACE_GATHER_MS = 250;

/** ms between two rounds of settlement while there are writes: bounds the regions that a crash leaves to compare. */
export const SETTLE_INTERVAL_MS = 5_000;

/** Regions copied at a time by the agreement: enough to fill a 2.5 GbE link, little beside foreground I/O. */
export const AGREEMENT_COPIES_MAX = 4;
/** Loops that may wait for the engine's stop at a time: of each replica its copies, and those that look after it. Node warns of more. */
export const STOP_WAITERS_MAX = REPLICAS_MAX * (AGREEMENT_COPIES_MAX + 4);

/** bytes of one Volume.copy call of the agreement; also how long one holds up writes to its range. */
export const AGREEMENT_COPY_BYTES_MAX = 1 << 20;

/** ms before the agreement tries a region again whose copy failed. */
export const AGREEMENT_RETRY_MS = 1_000;

/** ms without an answer after which a replica is failed, unless --replica-timeout says otherwise (as in Longhorn). */
export const REPLICA_TIMEOUT_MS = 8_000;

/** ms an orderly stop may take before the process ends without it: below Kubernetes' 30 s grace period. */
export const STOP_TIMEOUT_MS = 25_000;

/** ms that a change of all replicas together waits for one that is away: it comes back or is dropped in that time. */
export const JOINT_CHANGE_WAIT_MS = 2 * RECONNECT_GRACE_MS;

/** Flushes before I/O is held for such a change, at the most, and how long the last one should take, ms: what is written meanwhile is
 * flushed while I/O is held, which may take 50 ms in all. */
export const JOINT_FLUSHES_MAX = 4;
export const JOINT_FLUSH_SHORT_MS = 10;

/** ms after which none of them is begun any more: a replica undoes after 30 s what it has prepared. */
export const JOINT_FLUSHES_MS_MAX = 5_000;

/** ms between looks at a replica that has failed: while nobody listens there, and longest after attempts in vain. A daemon
 * that was started again is back at once; one that cannot be made equal does not keep the others busy. */
export const RETURN_DELAY_MS = 250;
export const RETURN_DELAY_MS_MAX = 15_000;

/** ms between looks at one that has not failed, by a loop that is told when it does. */
export const UNNEEDED_LOOK_MS = 60_000;

/** ms to connect to a replica that has failed, just to see whether it is there: some round trips of a busy network. */
export const RETURN_PROBE_MS = 1_000;

/** How often a replica that missed snapshots gets the files of those that were taken while it got files: each round has to
 * bring less than the one before. */
export const SNAPSHOT_ROUNDS_MAX = 10;

/** bytes of the volume whose extents are asked for at once, and bytes per bit of what is found allocated: bounds the
 * memory of a comparison as a whole to 2 MiB per TiB, however scattered the extents are. */
export const EXTENTS_WINDOW_BYTES = 1 << 30;
export const EXTENTS_GRAIN_BYTES = 64 << 10;

/** ms after which the pace of copies is looked at again: some hundred operations of a busy volume. */
export const COPY_PACE_PERIOD_MS = 250;

/** ms for which a sync agent keeps to a pace that it was told: some periods, since a busy node answers late. */
export const FILE_PACE_MS = 2_000;

/** Bytes per second below which copying never falls: 1 TiB is copied in three days even then. */
export const COPY_RATE_MIN = 4 << 20;

/** ms of the rate allowed that copies may be ahead after a pause. */
export const COPY_PACE_BURST_MS = 50;

/** How much longer operations may take beside copies: below the factor of two that is promised, since it is noticed late. */
export const COPY_PACE_LATENCY_TIMES_MAX = 1.6;

/** What a rate is multiplied by after a look at operations that took too long, and after any other. */
export const COPY_PACE_SHRINKAGE = 0.6;
export const COPY_PACE_GROWTH = 1.15;

/** By how much operations may seem to take longer when they are alone than the last time that they were listened to. */
export const COPY_PACE_IDLE_GROWTH_MAX = 1.25;

/** Operations in a period below which nobody is slowed down noticeably, and with which a hundredth means something. */
export const COPY_PACE_OPERATIONS_FEW = 3;
export const COPY_PACE_OPERATIONS_ENOUGH = 400;

/** Periods: of listening to operations that are alone, at the most; without operations, until nobody is waited for; until it
 * is listened to again, since what the volume is used for changes. */
export const COPY_PACE_LISTEN_PERIODS_MAX = 4;
export const COPY_PACE_QUIET_PERIODS = 4;
export const COPY_PACE_LISTEN_AGAIN_PERIODS = 80;
