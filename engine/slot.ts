/** One replica of a running engine: what is known of it, and what is waited for. */
import type { ReplicaFacts } from "../proto/control.js";
import type { Holder } from "./record-keeper.js";
import type { Range } from "./region-ranges.js";
import type { ReplicaState } from "./replica-state.js";

export interface Slot extends Holder {
  /** of the native Volume */
  index: number;
  address: string;
  facts: ReplicaFacts;
  state: ReplicaState;
  /** set while the last copy leaves operations unanswered */
  silent: { reason: string; bytesReceived: number } | null;
  /** set when it came back having lost writes, and no better copy is there */
  lost: string | null;
  /** how often its stream has ended, and how often it had when it was last connected */
  breaks: number;
  breaksAtConnect: number;
  /** its regions from before it went away can be forgotten after a whole settlement */
  restarted: boolean;
  /** what it had no space for, while the answers of others are awaited */
  noSpace: Range[];
}

export function newSlot(member: Holder & { address: string; facts: ReplicaFacts }, index: number): Slot {
  return {
    ...member,
    index,
    state: { mode: "CONNECTING" },
    silent: null,
    lost: null,
    breaks: 0,
    breaksAtConnect: 0,
    restarted: false,
    noSpace: [],
  };
}

/** Whether the volume could live from this replica alone. */
export function isCopy({ state }: Pick<Slot, "state">): boolean {
  return (
    state.mode === "RW" || state.mode === "CONNECTING" || (state.mode === "AWAY" && state.was.mode === "RW")
  );
}
