/** Which replica is the best to go on from when nobody can prove to be current. Pure. */
import type { Replica } from "../../proto/longhorn.js";
import { SALVAGE_TIME_TOLERANCE_NS } from "./limits.js";

export interface Candidate extends Pick<Replica, "lastModifyTime" | "headFileSize"> {
  disks: Record<string, Pick<Replica["disks"][string], "size">>;
}

/** Of those changed about as recently as the newest, the one with the largest head; of those the newest. One whose directory was emptied
 * is newer than all others, and counts only where nobody holds any data.
 * @returns its index, -1 without candidates */
export function bestForSalvage(candidates: readonly Candidate[]): number {
  const someHold = candidates.some(holdsData);
  const counting = candidates.filter((candidate) => !someHold || holdsData(candidate));
  const newest = Math.max(...counting.map(({ lastModifyTime }) => lastModifyTime));
  let best = -1;
  candidates.forEach((candidate, index) => {
    if (!counting.includes(candidate)) return;
    const { lastModifyTime, headFileSize } = candidate;
    if (newest - lastModifyTime >= SALVAGE_TIME_TOLERANCE_NS) return;
    const other = candidates[best];
    const larger = other === undefined || headFileSize > other.headFileSize;
    const newer = headFileSize === other?.headFileSize && lastModifyTime > other.lastModifyTime;
    if (larger || newer) best = index;
  });
  return best;
}

function holdsData({ disks }: Candidate): boolean {
  return Object.values(disks).some(({ size }) => Number(size) > 0);
}
