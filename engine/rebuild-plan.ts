/** What has to be looked at before a replica whose snapshots were copied may be a copy. */
import type { InheritedRegionsReply } from "../proto/control.js";
import { allocatedGrains } from "./allocated-ranges.js";
import { AGREEMENT_COPY_BYTES_MAX, EXTENTS_GRAIN_BYTES } from "./limits.js";
import { isLonghorn } from "./longhorn/longhorn-link.js";
import { inPieces, unionOfRegions, withoutRanges, type Range } from "./region-ranges.js";
import { missedSince } from "./resync-plan.js";
import type { Roster } from "./roster.js";
import type { Slot } from "./slot.js";

export interface RebuildPlan {
  /** written since it was added: may differ, and is made equal */
  changed: Range[];
  /** not written since, and yet not held alike: may be allocated otherwise, but must not differ */
  doubtful: Range[];
}

/** To be called when the replica has its snapshots, and whatever was written before has ended.
 * @param compareAll nothing is known of where its data came from
 * @throws {Error} no copy knows what changed */
export async function planRebuild(
  roster: Roster,
  slot: Slot,
  from: Slot,
  compareAll: boolean,
): Promise<RebuildPlan> {
  const { volume, size, keeper } = roster;
  // Before the copies are asked what changed: whatever changes in between is told.
  const there = await allocatedGrains(volume, from.index, size);
  const here = await allocatedGrains(volume, slot.index, size);
  const absence = keeper.absenceOf(slot.replicaId);
  const maps = absence === null ? [] : await missedSince(roster, absence);
  if (maps.length === 0 && !keepNoMap(roster))
    throw new Error("no copy knows what changed since its rebuild began");
  const changed = maps.length === 0 ? [{ offset: 0, length: size }] : unionOfRegions(maps, size, size);
  const unlike = compareAll ? [there, here] : [difference(there, here)];
  const doubtful = withoutRanges(unionOfRegions(unlike, size, size), changed);
  return {
    changed: inPieces(changed, AGREEMENT_COPY_BYTES_MAX),
    doubtful: inPieces(doubtful, AGREEMENT_COPY_BYTES_MAX),
  };
}

/** Longhorn's replicas do not know what changed: all of it is compared. */
function keepNoMap({ slots }: Roster): boolean {
  return slots.every(({ state, link }) => state.mode !== "RW" || isLonghorn(link));
}

/** Grains that only one side holds. */
function difference(a: InheritedRegionsReply, b: InheritedRegionsReply): InheritedRegionsReply {
  return {
    regionSize: EXTENTS_GRAIN_BYTES,
    bitmap: a.bitmap.map((byte, index) => byte ^ (b.bitmap[index] ?? 0)),
  };
}
