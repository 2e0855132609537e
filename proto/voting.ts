/** Voters: `WitnessVoter` of `control.proto` as plain types. */
import type { Ballot } from "./ballot.js";
import { codec } from "./codec.js";
import type { Empty, MemberRecord, RecordRequest, ReplicaFacts } from "./control.js";
import { aurochs } from "./generated/control.js";
import { unaryMethod } from "./unary.js";

const generated = aurochs.control.v1;

/** What it says of the data that it does not have. */
export const NO_DATA = {
  ...{
    witness: true,
    size: 0,
    lostWrites: false,
    inheritedRegions: 0,
    regionSize: 0,
    bootId: "",
    dataPort: 0,
    dataSocket: "",
  },
  ...{
    revision: 0,
    allocated: 0,
    chain: [],
    chainCreated: [],
    snapshots: [],
    unfit: "",
    rebuildInterrupted: false,
    backing: "",
  },
} satisfies Partial<ReplicaFacts>;

/** What a witness keeps. */
export interface WitnessRecord {
  /** null: never had an engine of ours */
  record: MemberRecord | null;
  /** of the last record that named the witness as a member; 0: there was none */
  heldGeneration: number;
}

/** What one voter holds. */
export interface Vote {
  /** "": it was never told */
  volume: string;
  voterId: string;
  /** ids of all that are the witness together, in order; empty: it never took part */
  voters: string[];
  /** the newest ballot that it has heard of: it takes part in no older one */
  promised: Ballot | null;
  /** of the last change that it took */
  accepted: Ballot | null;
  held: WitnessRecord | null;
}

export interface PromiseRequest {
  volume: string;
  voters: string[];
  ballot: Ballot | null;
}

export interface AcceptRequest extends PromiseRequest {
  /** what is changed: what the newest of a majority's votes held when they had promised this ballot */
  basis: WitnessRecord | null;
  /** null: nothing, so that what was under way is known to hold */
  change: RecordRequest | null;
}

const voter = "/aurochs.control.v1.WitnessVoter";

/** Served by a witness on its control port. */
export const WitnessVoter = {
  look: unaryMethod(`${voter}/Look`, codec<Empty>(generated.LookRequest), codec<Vote>(generated.Vote)),
  promise: unaryMethod(
    `${voter}/Promise`,
    codec<PromiseRequest>(generated.PromiseRequest),
    codec<Vote>(generated.Vote),
  ),
  accept: unaryMethod(
    `${voter}/Accept`,
    codec<AcceptRequest>(generated.AcceptRequest),
    codec<Vote>(generated.Vote),
  ),
};
