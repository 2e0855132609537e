/** Whether a replica that is no member may be made one, and what is known of what it missed. Pure. */
import type { Absence, ReplicaFacts } from "../proto/control.js";

export interface Expected {
  volume: string;
  /** bytes */
  size: number;
  /** the highest generation that this engine has tried to record */
  generation: number;
  /** null when it is not known yet who is at that address */
  replicaId: string | null;
  /** ids of the other replicas of this volume */
  others: string[];
  /** files of the copy that counts, head first */
  chain: string[];
  absence: Absence | null;
}

export type Comeback =
  /** `absence`: since when it is away; null when nothing is known, and all has to be compared */
  { type: "resync"; absence: Absence | null; why: string } | { type: "declined"; reason: string };

export function judgeComeback(facts: ReplicaFacts, expected: Expected): Comeback {
  const reason = misfit(facts, expected);
  if (reason !== null) return { type: "declined", reason };
  const { absence } = expected;
  const { heldGeneration } = facts;
  if (heldGeneration === 0 && facts.allocated === 0) {
    return { type: "resync", absence: null, why: "it is empty" };
  }
  if (heldGeneration === 0 && facts.record !== null) {
    return { type: "resync", absence: null, why: "its rebuild was interrupted" };
  }
  const left = absence !== null && heldGeneration > 0 && heldGeneration <= absence.heldAtMost;
  if (left) {
    if (heldGeneration >= absence.heldAtLeast) return { type: "resync", absence, why: "" };
    const why = `its directory went back to generation ${heldGeneration}, it had stored ${absence.heldAtLeast}`;
    return { type: "resync", absence: null, why };
  }
  // What it holds may be what somebody still wants: nobody but an operator says that it may go.
  return {
    type: "declined",
    reason:
      `it holds data that did not come from the present copies (last a member under generation ${heldGeneration}): ` +
      "kept until its directory is emptied",
  };
}

function misfit(facts: ReplicaFacts, expected: Expected): string | null {
  const { volume, size, replicaId, others, chain, generation } = expected;
  if (facts.volume !== volume) return `it holds volume ${facts.volume}, not ${volume}`;
  if (replicaId !== null && facts.replicaId !== replicaId)
    return `there is now replica ${facts.replicaId}, not ${replicaId}`;
  if (others.includes(facts.replicaId)) return `it is replica ${facts.replicaId}, as another one is`;
  if (facts.size !== size) return `it has ${facts.size} bytes, the volume has ${size}`;
  if (facts.unfit !== "") return facts.unfit;
  const stored = facts.record?.generation ?? 0;
  if (stored > generation) {
    return `it has gone on by itself to generation ${stored}, while ${generation} is served here`;
  }
  if (facts.chain.join() !== chain.join()) {
    return (
      `its snapshots differ (${facts.chain.join(", ")}; the others have ${chain.join(", ")}): ` +
      "it has to be rebuilt with its snapshots"
    );
  }
  return null;
}
