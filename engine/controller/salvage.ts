/** Which replica is the best to go on from when nobody can prove to be current. Pure. */
import type { Replica } from "../../proto/longhorn.js";
import { SALVAGE_TIME_TOLERANCE_NS } from "./limits.js";

type Candidate = Pick<Replica, "lastModifyTime" | "headFileSize">;

/** Of those changed about as recently as the newest, the one with the largest head; of those the newest.
 * @returns its index, -1 without candidates */
export function bestForSalvage(candidates: readonly Candidate[]): number {
  const newest = Math.max(...candidates.map(({ lastModifyTime }) => lastModifyTime));
  let best = -1;
  candidates.forEach(({ lastModifyTime, headFileSize }, index) => {
    if (newest - lastModifyTime >= SALVAGE_TIME_TOLERANCE_NS) return;
    const other = candidates[best];
    const larger = other === undefined || headFileSize > other.headFileSize;
    const newer = headFileSize === other?.headFileSize && lastModifyTime > other.lastModifyTime;
    if (larger || newer) best = index;
  });
  return best;
}
