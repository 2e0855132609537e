/** Bounds of the search for orphans, with units and reasons. */

/** ms between two looks at the directories of a node: nothing tells when one is forgotten. */
export const SCAN_PERIOD_MS = 60_000;

/** ms until a node is looked at again that could not be looked at as a whole. */
export const RESCAN_MS = 5_000;
