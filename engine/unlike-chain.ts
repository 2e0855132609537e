/** What copies have to have in common besides their data: the snapshots that can be reverted to, and whether they were. Pure. */
import type { ReplicaFacts } from "../proto/control.js";

type Chain = Pick<ReplicaFacts, "chain" | "chainCreated" | "snapshots">;

/** Whether a copy was reverted, when a record names that revert.
 * @param reverting when its heads are created; "": there was none */
export function hasReverted({ chainCreated }: Pick<Chain, "chainCreated">, reverting: string): boolean {
  return reverting !== "" && chainCreated[0] === reverting;
}

/** Whether something was done to the chain of one copy, and not to that of the other, when everything ended.
 * @param reverting as the newest record has it
 * @returns the reason, without the other's address; null when they are alike */
export function unlikeChain(one: Chain, other: Chain, reverting: string): string | null {
  const file = unsharedSnapshot(one, other);
  if (file !== null) return `${file} is not both there and at`;
  if (hasReverted(one, reverting) === hasReverted(other, reverting)) return null;
  return "a revert was made either there or at";
}

/** A snapshot that one has and the other lacks, though no user removed it: its taking, or a revert, was broken off. With any
 * other a purge may only be ahead on one of them.
 * @returns its file; null when there is none */
function unsharedSnapshot(one: Chain, other: Chain): string | null {
  return lacking(one, other) ?? lacking(other, one);
}

function lacking(one: Chain, other: Chain): string | null {
  const there = new Set(other.chain.map((_, i) => disk(other, i)));
  const at = one.chain.findIndex((name, i) => one.snapshots.includes(name) && !there.has(disk(one, i)));
  return one.chain[at] ?? null;
}

/** Of one name another one may have been taken. */
function disk({ chain, chainCreated }: Chain, at: number): string {
  return `${chain[at]} ${chainCreated[at]}`;
}
