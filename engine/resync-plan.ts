/** What has to be looked at before a replica that was away may be a copy again. */
import type { Absence, InheritedRegionsReply } from "../proto/control.js";
import { allocatedGrains } from "./allocated-ranges.js";
import type { MissedRegions } from "./replica-link.js";
import type { Roster } from "./roster.js";
import type { Slot } from "./slot.js";

export interface Plan {
  /** in words */
  method: string;
  /** bitmaps whose union it is */
  regions: InheritedRegionsReply[];
  /** nothing else is known of the replica: its content is to be compared once more at the end */
  verified: boolean;
}

/** To be called when all writes reach the replica already: what they change need not be in the plan.
 * @param absence since when it is away; null when nothing is known
 * @param why nothing is known */
export async function planResync(
  roster: Roster,
  slot: Slot,
  from: Slot,
  absence: Absence | null,
  why: string,
): Promise<Plan> {
  // What it may have that others do not: writes under way when it was lost.
  const own = await slot.link.inheritedRegions(roster.request(slot));
  if (absence !== null) {
    const complete = await missedSince(roster, absence);
    if (complete.length > 0) {
      const method = `what changed since generation ${absence.excludedAt}`;
      return { method, regions: [...complete, own], verified: false };
    }
  }
  const { volume, size } = roster;
  const allocated = [
    await allocatedGrains(volume, from.index, size),
    await allocatedGrains(volume, slot.index, size),
  ];
  const reason = absence === null ? why : `no copy knows what changed since generation ${absence.excludedAt}`;
  return { method: `all data: ${reason}`, regions: [...allocated, own], verified: true };
}

/** The maps of those copies that tell all that a replica missed. */
export async function missedSince(roster: Roster, absence: Absence): Promise<MissedRegions[]> {
  const copies = roster.slots.filter(({ state }) => state.mode === "RW");
  const maps = await Promise.all(copies.map((copy) => copy.link.missedRegions(roster.request(copy))));
  return maps.filter((map) => reaches(map, absence));
}

/** Whether a copy's map tells all that a replica missed. */
export function reaches({ since }: Pick<MissedRegions, "since">, { excludedAt }: Absence): boolean {
  return since > 0 && since <= excludedAt;
}
