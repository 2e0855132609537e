/** One replica of a running engine: what is known of it, and what is waited for. */
import type { ReplicaFacts } from "../proto/control.js";
import { Pause } from "./pause.js";
import type { Holder } from "./record-keeper.js";
import type { Range } from "./region-ranges.js";
import type { ReplicaState, ResyncProgress } from "./replica-state.js";

export interface Slot extends Holder {
  /** of the native Volume */
  index: number;
  address: string;
  /** null while it has never answered */
  facts: ReplicaFacts | null;
  state: ReplicaState;
  /** set while the last copy leaves operations unanswered */
  silent: { reason: string } | null;
  /** set when it came back having lost writes, and no better copy is there */
  lost: string | null;
  /** how often its stream has ended, and how often it had when it was last connected */
  breaks: number;
  breaksAtConnect: number;
  /** its stream is tried to be got back */
  reconnecting: boolean;
  /** of the loop that makes it a copy again: ended when it fails */
  untilFailed: Pause;
  /** it is tried to be made a copy again */
  returning: boolean;
  /** a record that names it was sent: whoever stored it takes it for a member */
  joining: boolean;
  /** what it was is given up: its snapshots come from a copy */
  rebuilt: boolean;
  /** it could not be made equal to another copy: it is dropped, and nobody may read it before */
  differs: boolean;
  /** for changes of its snapshots, by this engine, that may come late: before it is written it has to refuse them */
  asked: boolean;
  /** bare names of snapshots that it took before it held everything: their files have to come from a copy, in this order */
  doubtful: string[];
  /** failed on somebody's order: it does not come back by itself */
  ordered: boolean;
  /** what its last resync came to */
  lastResync: ResyncProgress | null;
  /** its regions from before it went away can be forgotten after a whole settlement */
  restarted: boolean;
  /** a client said that it goes, or failed: whoever starts the volume next knows it */
  announced: boolean;
  /** what it had no space for, and is held, while the answers of others are awaited */
  noSpace: Range[];
}

export type Known = Holder & Pick<Slot, "index" | "address" | "facts" | "state">;

export function newSlot(known: Known): Slot {
  return {
    ...known,
    silent: null,
    lost: null,
    breaks: 0,
    breaksAtConnect: 0,
    reconnecting: false,
    untilFailed: new Pause(),
    returning: false,
    joining: false,
    rebuilt: false,
    differs: false,
    asked: false,
    doubtful: [],
    ordered: false,
    lastResync: null,
    restarted: false,
    announced: false,
    noSpace: [],
  };
}

/** Whether the volume could live from this replica alone. */
export function isCopy({ state }: Pick<Slot, "state">): boolean {
  return (
    state.mode === "RW" || state.mode === "CONNECTING" || (state.mode === "AWAY" && state.was.mode === "RW")
  );
}

/** Whether a durable record may name it: then nobody goes on without it before another one does not. */
export function isMember({ state, joining }: Pick<Slot, "state" | "joining">): boolean {
  return joining || (state.mode !== "ERR" && state.mode !== "RESYNC");
}
