/** Whether a replica that was away may simply go on: is it still what it was when its stream ended? Pure. */
import type { ReplicaFacts } from "../proto/control.js";

export interface Known {
  volume: string;
  replicaId: string;
  engineId: string;
  /** the highest generation that this engine has tried to record */
  generation: number;
}

export type ReturnVerdict =
  /** it lost nothing: `generation` is what it has recorded */
  | { type: "same"; generation: number }
  /** another engine took over */
  | { type: "fenced"; reason: string }
  /** it lost acknowledged writes, or it is not the copy that it was */
  | { type: "lost"; reason: string };

/** @param storedBefore generation that it was known to have stored when it was asked */
export function judgeReturn(facts: ReplicaFacts, known: Known, storedBefore: number): ReturnVerdict {
  if (facts.volume !== known.volume || facts.replicaId !== known.replicaId) {
    return { type: "lost", reason: `there is now replica ${facts.replicaId} of volume ${facts.volume}` };
  }
  const { record } = facts;
  const generation = record?.generation ?? 0;
  if (generation > known.generation) {
    return {
      type: "fenced",
      reason: `generation ${generation} of engine ${record?.engineId ?? ""} took over`,
    };
  }
  const isOthers = record?.engineId !== known.engineId;
  // A rival that lost or won elsewhere.
  if (isOthers && generation === known.generation)
    return { type: "fenced", reason: `engine ${record?.engineId ?? ""} took over at the same generation` };
  if (isOthers || generation < storedBefore)
    return { type: "lost", reason: `its record went back to generation ${generation}` };
  if (facts.lostWrites)
    return { type: "lost", reason: "its machine restarted: acknowledged writes may be lost" };
  return { type: "same", generation };
}
