/** Bounds of the driver, with units and reasons. */

/** ms that creating, deleting, attaching, detaching and expanding are waited for: Kubernetes' side cars give up after 110 s. */
export const WAIT_MS = 90_000;

/** ms between two looks at what is waited for. */
export const POLL_MS = 250;

/** ms for the manager to answer when the driver starts, and between two tries: the pod starts again afterwards. */
export const START_WAIT_MS = 180_000;
export const START_POLL_MS = 1_000;

/** ms for the device to appear after its engine was said to run, and to become as large as the volume. */
export const DEVICE_WAIT_MS = 30_000;
export const DEVICE_POLL_MS = 100;

/** ms that a program may take which looks something up, mounts, or unmounts. */
export const COMMAND_TIMEOUT_MS = 30_000;

/** ms that unmounting is waited for: what is not written yet has to be, first. It goes on meanwhile. */
export const UNMOUNT_TIMEOUT_MS = 90_000;

/** ms that cryptsetup may take, as in Longhorn. */
export const CRYPT_TIMEOUT_MS = 60_000;

/** ms that making, checking or growing a file system may take. A call to the driver that has given up earlier leads to one
 * that is told that it is still under way. */
export const FILE_SYSTEM_TIMEOUT_MS = 30 * 60_000;

/** Characters that are kept of what a program prints. */
export const OUTPUT_CHARS_MAX = 64 << 10;

/** bytes at the start and at the end of a device that are nothing but zeros when nothing was ever put there: labels of
 * partitions, of RAID and of volume managers lie within. */
export const BLANK_BYTES = 1 << 20;

/** Mounts on one path that are taken away, one after the other: each call that others have repeated may have left one. */
export const MOUNTS_PER_PATH_MAX = 64;

/** bytes, of the smallest volume, and what sizes are multiples of, as in Longhorn. */
export const VOLUME_BYTES_MIN = 10 << 20;
export const SIZE_UNIT_BYTES = 2 << 20;

/** bytes below which mkfs.xfs refuses. */
export const XFS_BYTES_MIN = 300 << 20;

/** bytes that LUKS takes for itself. */
export const LUKS_HEADER_BYTES = 16 << 20;
