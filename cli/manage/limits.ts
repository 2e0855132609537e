/** What the API takes, told before it is asked. Facts: manager.md section 2.2. */

/** copies of a volume */
export const REPLICAS_MAX = 20;

/** snapshots of a volume */
export const SNAPSHOTS_MAX = 250;
