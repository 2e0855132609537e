/** The messages of `control.proto` as plain types, and its services for `unary.ts` and `@grpc/grpc-js`. */
import { codec } from "./codec.js";
import { aurochs } from "./generated/control.js";
import { unaryMethod } from "./unary.js";

const generated = aurochs.control.v1;

/** The longest `engineState` that a replica takes, bytes. */
export const ENGINE_STATE_BYTES_MAX = 64 << 10;

export interface MemberRecord {
  generation: number;
  /** ids of the replicas that hold every acknowledged write */
  members: string[];
  engineId: string;
  /** of the machine the engine ran on */
  engineBootId: string;
  /** the engine's own, opaque to the replica */
  engineState: Uint8Array;
  revisionAtLeast: number;
  /** replicas that were members and are waited for */
  absent: Absence[];
  /** those of `members` that hold no data */
  witnesses: string[];
  /** when the heads that a revert makes are created, RFC 3339; "" while there is none */
  reverting: string;
  /** see `control.proto` */
  leased: boolean;
  /** see `control.proto` */
  heldByAll: number;
}

/** See `control.proto`. */
export interface Absence {
  replicaId: string;
  heldAtLeast: number;
  heldAtMost: number;
  excludedAt: number;
}

export interface ReplicaFacts {
  volume: string;
  replicaId: string;
  /** bytes */
  size: number;
  /** generation 0 and no members: never had an engine of ours */
  record: MemberRecord | null;
  lostWrites: boolean;
  inheritedRegions: number;
  /** bytes */
  regionSize: number;
  bootId: string;
  directory: string;
  /** 0: it has none */
  dataPort: number;
  /** path of the unix socket where its data are served instead; "": there is none */
  dataSocket: string;
  /** Longhorn's revision counter; 0 when there is none */
  revision: number;
  /** bytes of all layers */
  allocated: number;
  /** file names, head first */
  chain: string[];
  /** of each of `chain`, RFC 3339 */
  chainCreated: string[];
  /** of `chain`, what a user took and nobody removed */
  snapshots: string[];
  /** another one each time that the directory is opened */
  opening: string;
  /** why this copy is not whole and must not be a member; "" when it is fit */
  unfit: string;
  rebuildInterrupted: boolean;
  /** of the last record that named this replica as a member; 0: there was none */
  heldGeneration: number;
  /** it keeps the record alone, and no data */
  witness: boolean;
  /** what its chain lies on: "none", or what the image's content is told by; "": not told */
  backing: string;
}

export interface RecordedReply {
  /** null: never had an engine of ours */
  record: MemberRecord | null;
}

/** Which stored record a decision was made from; generation 0 and no engine when there was none. */
export interface RecordBasis {
  generation: number;
  engineId: string;
  /** which one told what the replica was; "": not checked */
  opening: string;
}

export interface RecordRequest {
  volume: string;
  replicaId: string;
  record: MemberRecord | null;
  /** refused when another engine has stored something else since, or writes may have been lost; null: not checked */
  basis: RecordBasis | null;
}

/** Names an engine and its generation: who asks. */
export interface EngineRequest {
  engineId: string;
  generation: number;
}

/** An engine about what a replica did since that opening. */
export interface OpeningRequest extends EngineRequest {
  /** as in `RecordBasis` */
  opening: string;
}

export interface InheritedRegionsReply {
  /** bytes */
  regionSize: number;
  /** bit i (LSB first) is region i */
  bitmap: Uint8Array;
}

export interface MissedRegionsRequest extends EngineRequest {
  /** bytes of the bitmap that are left out */
  skip: number;
}

export interface MissedRegionsReply {
  /** generation that the map is complete from; 0: nothing is known */
  since: number;
  /** bytes */
  grainSize: number;
  /** bytes of the whole */
  bitmapSize: number;
  /** a part; bit i (LSB first) of the whole is grain i */
  bitmap: Uint8Array;
}

/** About a change that an engine makes in two parts. */
export interface ChangeRequest extends EngineRequest {
  /** the engine's own number for it, higher each time; 0: an engine of before that has none */
  change: number;
}

export type CommitSnapshotRequest = OpeningRequest & ChangeRequest;

export interface PrepareSnapshotRequest extends CommitSnapshotRequest {
  /** bare; not looked at with `expandTo` */
  name: string;
  userCreated: boolean;
  /** RFC 3339, seconds, UTC */
  created: string;
  labels: Record<string, string>;
  /** bytes: an expansion of the volume; 0: a snapshot */
  expandTo: number;
}

export interface ReplicaStatus {
  address: string;
  replicaId: string;
  /** CONNECTING, WO, RW or ERR */
  mode: string;
  /** why ERR */
  cause: string;
  inFlight: number;
  crcErrors: number;
  directory: string;
  reconciledBytes: number;
  reconcileTotalBytes: number;
  /** what the present or the last resync looked at, and why it was not less; "" without one */
  resync: string;
  /** bytes written to the replica by it, because they differed */
  movedBytes: number;
}

export interface SessionStatus {
  initiator: string;
  address: string;
  commands: number;
}

export interface Counters {
  reads: number;
  writes: number;
  flushes: number;
  unmaps: number;
  readBytes: number;
  writtenBytes: number;
  /** answered with an error */
  failed: number;
  inFlight: number;
}

export interface EngineStatus {
  volume: string;
  /** bytes */
  size: number;
  /** starting, serving, degraded, waiting, lost-writes, stopping */
  state: string;
  reason: string;
  generation: number;
  engineId: string;
  /** IQN */
  target: string;
  lun: number;
  portals: string[];
  replicas: ReplicaStatus[];
  sessions: SessionStatus[];
  counters: Counters | null;
  /** null: the volume has none */
  witness: WitnessStatus | null;
}

export interface WitnessStatus {
  address: string;
  /** "" while it has never answered */
  replicaId: string;
  /** a copy and it are enough to go on with */
  member: boolean;
  /** why it is none */
  cause: string;
}

export type Empty = Record<string, never>;

const replica = "/aurochs.control.v1.ReplicaControl";

/** Served by a replica daemon on the control port of each replica. */
export const ReplicaControl = {
  identify: unaryMethod(
    `${replica}/Identify`,
    codec<Empty>(generated.IdentifyRequest),
    codec<ReplicaFacts>(generated.ReplicaFacts),
  ),
  recorded: unaryMethod(
    `${replica}/Recorded`,
    codec<Empty>(generated.RecordedRequest),
    codec<RecordedReply>(generated.RecordedReply),
  ),
  record: unaryMethod(
    `${replica}/Record`,
    codec<RecordRequest>(generated.RecordRequest),
    codec<Empty>(generated.RecordReply),
  ),
  inheritedRegions: unaryMethod(
    `${replica}/InheritedRegions`,
    codec<EngineRequest>(generated.InheritedRegionsRequest),
    codec<InheritedRegionsReply>(generated.InheritedRegionsReply),
  ),
  missedRegions: unaryMethod(
    `${replica}/MissedRegions`,
    codec<MissedRegionsRequest>(generated.MissedRegionsRequest),
    codec<MissedRegionsReply>(generated.MissedRegionsReply),
  ),
  agreed: unaryMethod(
    `${replica}/Agreed`,
    codec<OpeningRequest>(generated.AgreedRequest),
    codec<Empty>(generated.AgreedReply),
  ),
  release: unaryMethod(
    `${replica}/Release`,
    codec<OpeningRequest>(generated.ReleaseRequest),
    codec<Empty>(generated.ReleaseReply),
  ),
  prepareSnapshot: unaryMethod(
    `${replica}/PrepareSnapshot`,
    codec<PrepareSnapshotRequest>(generated.PrepareSnapshotRequest),
    codec<Empty>(generated.PrepareSnapshotReply),
  ),
  commitSnapshot: unaryMethod(
    `${replica}/CommitSnapshot`,
    codec<CommitSnapshotRequest>(generated.CommitSnapshotRequest),
    codec<Empty>(generated.CommitSnapshotReply),
  ),
  abandonSnapshot: unaryMethod(
    `${replica}/AbandonSnapshot`,
    codec<ChangeRequest>(generated.AbandonSnapshotRequest),
    codec<Empty>(generated.AbandonSnapshotReply),
  ),
};

/** Served by an engine. */
export const EngineControl = {
  status: unaryMethod(
    "/aurochs.control.v1.EngineControl/Status",
    codec<Empty>(generated.StatusRequest),
    codec<EngineStatus>(generated.EngineStatus),
  ),
};
