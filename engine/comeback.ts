/** Whether a replica that is no member may be made one, and what is known of what it missed. Pure. */
import type { Absence, ReplicaFacts } from "../proto/control.js";

export interface Expected {
  volume: string;
  /** bytes */
  size: number;
  /** the highest generation that this engine has tried to record */
  generation: number;
  engineId: string;
  /** null when it is not known yet who is at that address */
  replicaId: string | null;
  /** ids of the other replicas of this volume */
  others: string[];
  /** files of the copy that counts, head first, and when they were created */
  chain: string[];
  chainCreated: string[];
  /** `ReplicaFacts.backing` of that copy */
  backing: string;
  absence: Absence | null;
}

/** What a replica must be that is to hold this volume. */
export type Fit = Pick<
  Expected,
  "volume" | "size" | "backing" | "generation" | "engineId" | "replicaId" | "others"
>;

export type Comeback =
  | {
      type: "resync";
      /** since when it is away; null when nothing is known, and all has to be compared */
      absence: Absence | null;
      why: string;
      /** whether its snapshots have to be made those of the copies first */
      snapshots: "same" | "differ";
    }
  | { type: "declined"; reason: string };

const KEPT = "kept until its directory is emptied";

export function judgeComeback(facts: ReplicaFacts, expected: Expected): Comeback {
  const { rebuildInterrupted: interrupted, heldGeneration } = facts;
  const reason = misfitOfNew(interrupted ? { ...facts, unfit: "" } : facts, expected);
  if (reason !== null) return { type: "declined", reason };
  const { absence } = expected;
  if (heldGeneration === 0 && facts.allocated === 0) return resyncAll("it is empty", facts, expected);
  if (heldGeneration === 0 && (facts.record !== null || interrupted))
    return resyncAll("its rebuild was interrupted", facts, expected);
  const left = absence !== null && heldGeneration > 0 && heldGeneration <= absence.heldAtMost;
  if (left) {
    // Its snapshots were being copied when it was a copy last, or had been, and that was not noted.
    if (interrupted) return resyncAll("its rebuild was interrupted", facts, expected);
    // Once reverted the chain may be the same again, and what the volume was reverted from be beside it, and not here.
    const isReverted = absence.excludedAt === 0;
    const snapshots = !isReverted && sameSnapshots(facts, expected) ? "same" : "differ";
    if (heldGeneration >= absence.heldAtLeast) {
      if (!isReverted) return { type: "resync", absence, why: "", snapshots };
      return { type: "resync", absence: null, why: "the volume was reverted while it was away", snapshots };
    }
    const why = `its directory went back to generation ${heldGeneration}, it had stored ${absence.heldAtLeast}`;
    return { type: "resync", absence: null, why, snapshots };
  }
  // What it holds may be what somebody still wants: nobody but an operator says that it may go.
  return {
    type: "declined",
    reason:
      `it holds data that did not come from the present copies (last a member under generation ${heldGeneration}): ` +
      KEPT,
  };
}

/** One that was never a whole copy: that its snapshots have the right names does not say that they are whole. */
function resyncAll(why: string, { chain }: ReplicaFacts, expected: Expected): Comeback {
  const any = chain.length > 1 || expected.chain.length > 1;
  return { type: "resync", absence: null, why, snapshots: any ? "differ" : "same" };
}

type Snapshots = Pick<ReplicaFacts, "chain" | "chainCreated">;

/** What is resynced is what is read of the head: the snapshots below have to be the same already. */
export function sameSnapshots(one: Snapshots, other: Snapshots): boolean {
  // A head is numbered, and begins to be one, by each replica for itself.
  const told = ({ chain, chainCreated }: Snapshots) => [...chain.slice(1), ...chainCreated.slice(1)].join();
  return told(one) === told(other);
}

/** Why a replica cannot be added to the volume, although all of its data are going to be replaced. */
export function misfitOfNew(facts: ReplicaFacts, expected: Fit): string | null {
  const { volume, size, backing, replicaId, others, generation, engineId } = expected;
  if (facts.volume !== volume) return `it holds volume ${facts.volume}, not ${volume}`;
  if (replicaId !== null && facts.replicaId !== replicaId)
    return `there is now replica ${facts.replicaId}, not ${replicaId}`;
  if (others.includes(facts.replicaId)) return `it is replica ${facts.replicaId}, as another one is`;
  if (facts.size !== size) return `it has ${facts.size} bytes, the volume has ${size}`;
  if (facts.unfit !== "") return facts.unfit;
  if (facts.backing !== "" && backing !== "" && facts.backing !== backing)
    return `what it lies on (backing image: ${facts.backing}) is not what the copies lie on (${backing})`;
  const stored = facts.record?.generation ?? 0;
  const isOthers = stored === generation && stored > 0 && facts.record?.engineId !== engineId;
  if (stored > generation || isOthers) {
    return `it has gone on by itself to generation ${stored}, while ${generation} is served here: ${KEPT}`;
  }
  return null;
}
