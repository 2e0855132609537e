/** Bounds and periods of a soak, with units and reasons. */

/** s from one fault to the next; `--every` */
export const EVERY_S = 30;

/** operations that the load starts a second: some 10 MB/s, so that a day writes more than a disk holds, and the machine stays usable */
export const RATE = 400;

/** MiB of each replica's disk: the volume, four snapshots of all of it (the newest, a rebuild's, two that are taken), what a merge leaves
 * free (`kSpareBytes` in native/src/base/limits.h), and the file system's own */
export const DISK_MIB = 512;

/** ms from one look at what processes use to the next */
export const SAMPLE_MS = 5_000;

/** of a life's samples count for nothing: what follows is compared, see `flatness.ts` */
export const WARM_UP = 0.25;

/** Samples in each of the two windows that are compared. With less nothing is said of that measure: memory rises in steps, with the first
 * resync, the first snapshot, the first rebuild, and stays there (four and a half minutes, which a shift of an hour's soak has); of the others some are there for a connection's time. */
export const WINDOW_MIN = { uss: 54, threads: 8, descriptors: 8 } as const;

/** What a later quartile may have above an earlier one. Of memory: V8 collects when it likes, and maps grow with what they hold. */
export const GROWTH_MAX = {
  uss: { factor: 1.1, more: 4 << 20 },
  threads: { factor: 1, more: 1 },
  descriptors: { factor: 1, more: 4 },
} as const;
