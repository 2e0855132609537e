/** Limits on a volume's snapshots: the fullest replica counts. Pure. */
import type { Replica } from "../../proto/longhorn.js";
import { DISKS_MAX } from "./limits.js";

export type Usage = Pick<
  Replica,
  "snapshotCountUsage" | "snapshotCountTotal" | "snapshotSizeUsage" | "headFileSize"
>;

export interface SnapshotLimits {
  maxCount: number;
  /** bytes; 0: no limit */
  maxSize: number;
}

const most = (usages: readonly Usage[], key: keyof Usage) =>
  Math.max(0, ...usages.map((usage) => usage[key]));

/** @returns why there is no room for another snapshot, or null */
export function snapshotRefusal(
  usages: readonly Usage[],
  { maxCount, maxSize }: SnapshotLimits,
): string | null {
  const count = most(usages, "snapshotCountUsage");
  if (count >= maxCount)
    return `snapshot count usage ${count} is equal or larger than snapshotMaxCount ${maxCount}`;
  const total = most(usages, "snapshotCountTotal");
  if (total >= DISKS_MAX) return `snapshot count total is already too big: ${total}`;
  if (maxSize === 0) return null;
  const free = maxSize - most(usages, "snapshotSizeUsage");
  const head = most(usages, "headFileSize");
  return free < head ? `snapshot free space ${free} is not enough for head file ${head}` : null;
}

/** @returns why the limit cannot be set, or null */
export function maxCountRefusal(usages: readonly Usage[], count: number): string | null {
  const used = most(usages, "snapshotCountUsage");
  if (count >= used) return null;
  return `cannot set snapshotMaxCount=${count} smaller than current snapshot count usage=${used}, please purge snapshots first`;
}

/** @returns why the limit cannot be set, or null */
export function maxSizeRefusal(usages: readonly Usage[], size: number): string | null {
  const used = most(usages, "snapshotSizeUsage");
  if (size >= used) return null;
  return `cannot set snapshotMaxSize=${size} smaller than current snapshot size usage=${used}, please purge snapshots first`;
}
