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

/** Since when nobody can have gone on behind the back of `reader`, a replica that has just answered: whoever does asks one first that
 * had not heard of it when asked at `askedAt`. Infinity: it is always the reader itself. */
export function aloneSince(voters: Voters, reader: string, askedAt: (id: string) => number): number {
  if (voters.members.length === 0) return Infinity;
  const since = (id: string) => (id === reader ? Infinity : askedAt(id));
  const times = voters.members.map(since).sort((a, b) => b - a);
  return times.find((time) => !canProve(voters, (id) => since(id) < time)) ?? -Infinity;
}

function isMajority(members: readonly string[], counts: (id: string) => boolean): boolean {
  return members.filter(counts).length * 2 > members.length;
}
