/** Bounds of the local initiator, with units and reasons. */

/** ms one command may take that neither logs in nor out: it looks something up or changes a file. */
export const COMMAND_TIMEOUT_MS = 10_000;

/** ms a login may take: the target is on this machine. */
export const LOGIN_TIMEOUT_MS = 20_000;

/** ms a logout may take before the target is stopped under it: the disk's last flush waits while replicas are away, and an
 * orderly stop of the engine has 25 s. */
export const LOGOUT_TIMEOUT_MS = 8_000;

/** ms the disk may take to appear after the login, and between two looks, as in Longhorn. */
export const DISK_WAIT_MS = 10_000;
export const DISK_POLL_MS = 100;

/** ms between two rounds of looks at a disk that has not grown with its volume: somebody may wait for the room. */
export const GROWTH_PAUSE_MS = 5_000;

/** ms that the initiator lock is waited for: some starts before ours, each as long as its disk needs. */
export const LOCK_WAIT_MS = 60_000;
export const LOCK_POLL_MS = 50;

/** s after which the kernel takes a command for lost, and that the abort of one may take, as in Longhorn. */
export const SCSI_TIMEOUT_S = 60;
export const ABORT_TIMEOUT_S = 15;

/** Characters of what a command prints: a few lines for each of some hundred sessions. */
export const OUTPUT_CHARS_MAX = 4 << 20;
