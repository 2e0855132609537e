/** Bounds of the bench harness, with unit and reason. */

/** How long a set-up may take until it serves, ms: `npm`-free start of three Node processes on a slow board. */
export const START_MS_MAX = 60_000;

/** How long a set-up may take to stop before it is killed, ms: a flush of a GiB to a slow disk. */
export const STOP_MS_MAX = 60_000;

/** Beyond warm-up and measured time, how long one run may take, ms: login and the flush at its end. */
export const RUN_EXTRA_MS_MAX = 120_000;

/** The slowest disk that a prefill waits for, bytes per ms (5 MB/s). */
export const PREFILL_BYTES_PER_MS_MIN = 5_000;

/** How long building the load generator may take, ms: a cold build on a Pi. */
export const BUILD_MS_MAX = 600_000;

/** Output of a child kept for its error message, characters. */
export const OUTPUT_CHARACTERS_MAX = 65_536;

/** How long a scenario waits for one thing to happen, ms: a rebuild of gigabytes on a slow board. */
export const SCENARIO_WAIT_MS_MAX = 3_600_000;

/** How long a program that prepares something may take, ms: allocating a TiB in an image on a slow disk. */
export const PROGRAM_MS_MAX = 600_000;
