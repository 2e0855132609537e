/** Bounds of the search for orphans, with units and reasons. */

/** ms between two looks at the directories of a node: nothing tells when one is forgotten. */
export const SCAN_PERIOD_MS = 60_000;
