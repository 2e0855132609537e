/**
 * Who has to take part in what is decided about members. A record without a witness: whoever goes on does so with any one
 * of its members, so a start has to ask all. One with a witness: a majority on both sides. Either way whoever starts asks
 * one that knows. Pure.
 */
import type { MemberRecord } from "../proto/control.js";

export type Voters = Pick<MemberRecord, "members" | "witnesses">;

/** Whether the members that answered can prove what became of this record's members. */
export function canProve({ members, witnesses }: Voters, answered: (id: string) => boolean): boolean {
  return witnesses.length === 0 ? members.every(answered) : isMajority(members, answered);
}

/** Whether other members than this record's may count, once these have stored a record that names the others. */
export function canChange({ members, witnesses }: Voters, stored: (id: string) => boolean): boolean {
  if (witnesses.length === 0) return members.length === 0 || members.some(stored);
  return isMajority(members, stored);
}

function isMajority(members: readonly string[], counts: (id: string) => boolean): boolean {
  return members.filter(counts).length * 2 > members.length;
}
