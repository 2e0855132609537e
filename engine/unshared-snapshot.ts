/** What copies have to have in common besides their data: the snapshots that can be reverted to. Pure. */
import type { ReplicaFacts } from "../proto/control.js";

type Snapshots = Pick<ReplicaFacts, "chain" | "chainCreated" | "snapshots">;

/** A snapshot that one has and the other lacks, though no user removed it: its taking, or a revert, was broken off. With any
 * other a purge may only be ahead on one of them.
 * @returns its file; null when there is none */
export function unsharedSnapshot(one: Snapshots, other: Snapshots): string | null {
  return lacking(one, other) ?? lacking(other, one);
}

function lacking(one: Snapshots, other: Snapshots): string | null {
  const there = new Set(other.chain.map((_, i) => disk(other, i)));
  const at = one.chain.findIndex((name, i) => one.snapshots.includes(name) && !there.has(disk(one, i)));
  return one.chain[at] ?? null;
}

/** Of one name another one may have been taken. */
function disk({ chain, chainCreated }: Snapshots, at: number): string {
  return `${chain[at]} ${chainCreated[at]}`;
}
