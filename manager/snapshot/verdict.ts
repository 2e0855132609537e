/** Which copies of a snapshot are not what they should be. Pure. Facts: manager.md section 8. */
import type { SnapshotHash } from "../operations.js";

export type Verdict =
  /** addresses of replicas; there is a sound one */
  | { is: "known"; checksum: string; sound: string[]; corrupt: string[] }
  /** not all that were asked have answered: nothing is said about any */
  | { is: "unknown"; why: string }
  | { is: "undecided"; why: string };

/** The majority is right. Without one, the copy is that is still what it was when the copies were compared last.
 * @param hashes by address
 * @param known checksum of the comparison before; "": there was none */
export function judge(hashes: Readonly<Record<string, SnapshotHash>>, known: string): Verdict {
  const all = Object.entries(hashes);
  const unanswered = all.find(([, { state }]) => state !== "complete");
  if (all.length < 2) return { is: "unknown", why: "there is no other copy" };
  if (unanswered !== undefined)
    return {
      is: "unknown",
      why: `${unanswered[0]}: ${unanswered[1].error || unanswered[1].state || "not hashed"}`,
    };
  const votes = new Map<string, number>();
  // One that has noticed that its file has rotted says what it was before.
  for (const [, { checksum }] of all) votes.set(checksum, (votes.get(checksum) ?? 0) + 1);
  const most = Math.max(...votes.values());
  const leading = [...votes].filter(([, count]) => count === most).map(([checksum]) => checksum);
  const checksum = leading.length === 1 ? leading[0] : leading.find((one) => one === known);
  if (checksum === undefined) return { is: "undecided", why: `as many copies are ${leading.join(" as ")}` };
  const isSound = (hash: SnapshotHash) => !hash.silentlyCorrupted && hash.checksum === checksum;
  const sound = all.filter(([, hash]) => isSound(hash)).map(([address]) => address);
  const corrupt = all.filter(([, hash]) => !isSound(hash)).map(([address]) => address);
  if (sound.length === 0) return { is: "undecided", why: `no copy is ${checksum} any more` };
  return { is: "known", checksum, sound, corrupt };
}
