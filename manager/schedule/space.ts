/** Whether a replica fits on a disk. */
import { formatBytes } from "../objects/bytes.js";
import type { Disk, SpaceRules } from "./cluster.js";

const TIB = 2 ** 40;

/** bytes of the longest file, by file system: ext4 with blocks of 4 KiB; xfs. */
const FILE_BYTES_MAX: Readonly<Record<string, number>> = { ext4: 16 * TIB, ext3: 2 * TIB, ext2: 2 * TIB };

type Space = Pick<Disk, "maximum" | "available" | "reserved" | "scheduled">;

/** Bytes that may still be promised of a disk. */
export function promisable(
  { maximum, reserved, scheduled }: Space,
  { overProvisioning }: SpaceRules,
): number {
  return ((maximum - reserved) * overProvisioning) / 100 - scheduled;
}

/** Bytes that may still be written to a disk before it counts as full. */
export function writable({ available, maximum }: Space, { minimalAvailable }: SpaceRules): number {
  return available - (maximum * minimalAvailable) / 100;
}

/** @returns why a disk takes nothing at all any more; null when it takes something */
export function isFull(disk: Space, rules: SpaceRules): string | null {
  const { minimalAvailable, overProvisioning } = rules;
  if (writable(disk, rules) <= 0)
    return `${formatBytes(disk.available)} of ${formatBytes(disk.maximum)} are available, and ${minimalAvailable} % have to stay so`;
  if (promisable(disk, rules) < 0)
    return `${formatBytes(disk.scheduled)} are promised to replicas, more than ${overProvisioning} % of what may be`;
  return null;
}

/** @param size bytes that the replica may grow to
 * @param needed bytes that it will have at once
 * @returns why a replica does not fit; null when it does */
export function spaceRefusal(disk: Disk, rules: SpaceRules, size: number, needed: number): string | null {
  const file = FILE_BYTES_MAX[disk.filesystem] ?? Infinity;
  if (size >= file)
    return `${disk.filesystem} holds no file of ${formatBytes(size)}: ${formatBytes(file)} is its limit`;
  const free = writable(disk, rules);
  if (free <= needed)
    return `${formatBytes(disk.available)} of ${formatBytes(disk.maximum)} are available, ${rules.minimalAvailable} % have to stay so${needed > 0 ? `, and ${formatBytes(needed)} are needed at once` : ""}`;
  const promised = promisable(disk, rules);
  if (promised < size)
    return `${formatBytes(disk.scheduled)} are promised to replicas, and ${formatBytes(Math.max(0, promised))} may still be: less than ${formatBytes(size)}`;
  return null;
}
