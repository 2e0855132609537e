/** What replicas that are away miss: kept by this one's store while its record names any (ARCHITECTURE.md "Resync"). */
import type { Logger } from "pino";
import type { ReplicaStore } from "../native/index.js";
import type { MemberRecord, MissedRegionsReply } from "../proto/control.js";
import { MISSED_PART_BYTES } from "./limits.js";
import type { ReplicaRecord } from "./member-record.js";

export const MISSED_MAP_NAME = "aurochs.missed";

type Store = Pick<ReplicaStore, "trackMissed" | "forgetMissed" | "missed">;

/** To be done before `member` is stored: whoever relies on the record has to find the map.
 * @param before the record that is stored now */
export async function beforeRecord(
  store: Store,
  replicaId: string,
  member: MemberRecord,
  before: MemberRecord | null,
): Promise<void> {
  if (member.absent.length === 0) return;
  // One that is left out misses changes itself: its map would not tell them. Nor does it when it is a member again, of what was
  // changed before writes went to it.
  const stays = [before, member].every((record) => record?.members.includes(replicaId) === true);
  const complete = stays && (await store.missed()) !== null;
  if (!complete) await store.trackMissed(member.generation);
}

/** To be done once `member` is stored. */
export async function afterRecord(store: Store, member: MemberRecord): Promise<void> {
  if (member.absent.length === 0 && (await store.missed()) !== null) await store.forgetMissed();
}

/** After an opening the map may be more than the record asks for (a crash lay between), or damaged. */
export async function resumeTracking(store: Store, record: ReplicaRecord, log: Logger): Promise<void> {
  const { member, replicaId } = record;
  if (member === null) return;
  await afterRecord(store, member);
  if (member.absent.length === 0 || (await store.missed()) !== null) return;
  log.warn(
    { replicaId, absent: member.absent.map((absence) => absence.replicaId) },
    "what absent replicas miss is not known any more: it is tracked anew, they will be compared as a whole",
  );
  await store.trackMissed(member.generation + 1);
}

/** @param skip bytes of the bitmap that were told before */
export async function missedPart(store: Store, skip: number): Promise<MissedRegionsReply> {
  const missed = await store.missed();
  if (missed === null) return { since: 0, grainSize: 0, bitmapSize: 0, bitmap: new Uint8Array() };
  const { since, grain, bitmap } = missed;
  return {
    since,
    grainSize: grain,
    bitmapSize: bitmap.length,
    bitmap: bitmap.subarray(skip, skip + MISSED_PART_BYTES),
  };
}
