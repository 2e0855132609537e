/**
 * What one replica is to a running engine.
 *
 *   CONNECTING --connected--> RW (or WO, to be made equal first)      WO --agreed--> RW
 *   RW, WO --linkLost--> AWAY --linkRestored--> as before             any --failed--> ERR
 *   RW --differs--> WO                                                ERR --declined--> ERR, for another cause
 *   ERR --rejoined--> RESYNC --joined--> RW
 *
 * In ERR and RESYNC it is no member: it is written in RESYNC, but nobody's copy before it has joined.
 */
export type ReplicaState =
  | { mode: "CONNECTING" }
  | { mode: "WO"; reconciledBytes: number; totalBytes: number }
  | { mode: "RW" }
  | { mode: "AWAY"; was: ConnectedState; reason: string }
  | { mode: "RESYNC"; progress: ResyncProgress }
  | { mode: "ERR"; cause: string };

export type ConnectedState = Extract<ReplicaState, { mode: "RW" | "WO" }>;

const DIFFERING: ConnectedState = { mode: "WO", reconciledBytes: 0, totalBytes: 0 };

export interface ResyncProgress {
  /** what is resynced, and why it is not less */
  method: string;
  /** of ranges that were looked at, and of all that are to be */
  comparedBytes: number;
  totalBytes: number;
  /** that differed and were written to the replica */
  movedBytes: number;
}

export type ReplicaEvent =
  /** `differingBytes`: how much has to be made equal before it may be read; null when it may be read at once */
  | { type: "connected"; differingBytes: number | null }
  | { type: "reconciled"; bytes: number }
  | { type: "agreed" }
  /** it could not be made equal to another copy, and is going to be dropped */
  | { type: "differs" }
  | { type: "linkLost"; reason: string }
  | { type: "linkRestored" }
  | { type: "rejoined" }
  | { type: "planned"; method: string; totalBytes: number }
  | { type: "resynced"; comparedBytes: number; movedBytes: number }
  | { type: "joined" }
  | { type: "declined"; cause: string }
  | { type: "failed"; cause: string };

export class IllegalTransition extends Error {
  override readonly name = "IllegalTransition";
  constructor(state: string, event: string) {
    super(`${event} is not possible in state ${state}`);
  }
}

/** The one place a replica changes state. Pure: the caller logs the change and acts on it.
 * @throws {IllegalTransition} */
export function nextReplicaState(state: ReplicaState, event: ReplicaEvent): ReplicaState {
  if (event.type === "failed") return state.mode === "ERR" ? state : { mode: "ERR", cause: event.cause };
  switch (state.mode) {
    case "CONNECTING":
      if (event.type !== "connected") break;
      if (event.differingBytes === null) return { mode: "RW" };
      return { mode: "WO", reconciledBytes: 0, totalBytes: event.differingBytes };
    case "WO":
      if (event.type === "reconciled")
        return { ...state, reconciledBytes: state.reconciledBytes + event.bytes };
      if (event.type === "agreed") return { mode: "RW" };
      if (event.type === "linkLost") return { mode: "AWAY", was: state, reason: event.reason };
      break;
    case "RW":
      if (event.type === "differs") return DIFFERING;
      if (event.type === "linkLost") return { mode: "AWAY", was: state, reason: event.reason };
      break;
    case "AWAY":
      if (event.type === "linkRestored") return state.was;
      if (event.type === "linkLost") return { ...state, reason: event.reason };
      if (event.type === "differs" && state.was.mode === "RW") return { ...state, was: DIFFERING };
      if (event.type === "reconciled" && state.was.mode === "WO") {
        // A copy that had ended at the replica before the link was lost.
        return { ...state, was: { ...state.was, reconciledBytes: state.was.reconciledBytes + event.bytes } };
      }
      break;
    case "RESYNC": {
      const { progress } = state;
      if (event.type === "planned")
        return {
          mode: "RESYNC",
          progress: { ...progress, method: event.method, totalBytes: event.totalBytes },
        };
      if (event.type === "resynced") {
        const comparedBytes = progress.comparedBytes + event.comparedBytes;
        const movedBytes = progress.movedBytes + event.movedBytes;
        return { mode: "RESYNC", progress: { ...progress, comparedBytes, movedBytes } };
      }
      if (event.type === "joined") return { mode: "RW" };
      break;
    }
    case "ERR":
      if (event.type === "declined") return { mode: "ERR", cause: event.cause };
      if (event.type === "rejoined")
        return { mode: "RESYNC", progress: { method: "", comparedBytes: 0, totalBytes: 0, movedBytes: 0 } };
      break;
    default:
      state satisfies never;
  }
  throw new IllegalTransition(state.mode, event.type);
}
