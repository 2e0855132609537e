/** Bounds and facts about Longhorn's replicas, with units and reasons. */

/** A replica's data are served at this distance from its gRPC port. */
export const DATA_PORT_OFFSET = 1;

/** bytes of what is compared at once: nothing tells where it differs. */
export const REGION_BYTES = 1 << 20;

/** ms that a failed replica may take to be told so: operations wait for it. */
export const MARK_MS = 1_000;
