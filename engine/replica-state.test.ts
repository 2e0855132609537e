import t from "tap";
import { nextReplicaState, type ReplicaEvent, type ReplicaState } from "./replica-state.js";

const WO = { mode: "WO", reconciledBytes: 1, totalBytes: 9 } as const;
const PROGRESS = { method: "all", comparedBytes: 4, totalBytes: 9, movedBytes: 1 };
const RESYNC = { mode: "RESYNC", progress: PROGRESS } as const;
const STATES: Record<string, ReplicaState> = {
  CONNECTING: { mode: "CONNECTING" },
  WO,
  RW: { mode: "RW" },
  "AWAY from RW": { mode: "AWAY", was: { mode: "RW" }, reason: "r" },
  "AWAY from WO": { mode: "AWAY", was: WO, reason: "r" },
  RESYNC,
  ERR: { mode: "ERR", cause: "first" },
};
const EVENTS: Record<string, ReplicaEvent> = {
  "connected equal": { type: "connected", differingBytes: null },
  "connected different": { type: "connected", differingBytes: 9 },
  reconciled: { type: "reconciled", bytes: 2 },
  agreed: { type: "agreed" },
  differs: { type: "differs" },
  linkLost: { type: "linkLost", reason: "gone" },
  linkRestored: { type: "linkRestored" },
  rejoined: { type: "rejoined" },
  planned: { type: "planned", method: "changed", totalBytes: 8 },
  resynced: { type: "resynced", comparedBytes: 3, movedBytes: 2 },
  joined: { type: "joined" },
  declined: { type: "declined", cause: "third" },
  failed: { type: "failed", cause: "second" },
};
const DIFFERING = { mode: "WO", reconciledBytes: 0, totalBytes: 0 } as const;
const failed: ReplicaState = { mode: "ERR", cause: "second" };
/** All that is legal; every other pair throws. */
const LEGAL: Record<string, Record<string, ReplicaState>> = {
  CONNECTING: {
    "connected equal": { mode: "RW" },
    "connected different": { mode: "WO", reconciledBytes: 0, totalBytes: 9 },
    failed,
  },
  WO: {
    reconciled: { ...WO, reconciledBytes: 3 },
    agreed: { mode: "RW" },
    linkLost: { mode: "AWAY", was: WO, reason: "gone" },
    failed,
  },
  RW: { linkLost: { mode: "AWAY", was: { mode: "RW" }, reason: "gone" }, differs: DIFFERING, failed },
  "AWAY from RW": {
    differs: { mode: "AWAY", was: DIFFERING, reason: "r" },
    linkLost: { mode: "AWAY", was: { mode: "RW" }, reason: "gone" },
    linkRestored: { mode: "RW" },
    failed,
  },
  "AWAY from WO": {
    reconciled: { mode: "AWAY", was: { ...WO, reconciledBytes: 3 }, reason: "r" },
    linkLost: { mode: "AWAY", was: WO, reason: "gone" },
    linkRestored: WO,
    failed,
  },
  RESYNC: {
    planned: { mode: "RESYNC", progress: { ...PROGRESS, method: "changed", totalBytes: 8 } },
    resynced: { mode: "RESYNC", progress: { ...PROGRESS, comparedBytes: 7, movedBytes: 3 } },
    joined: { mode: "RW" },
    failed,
  },
  ERR: {
    rejoined: {
      mode: "RESYNC",
      progress: { method: "", comparedBytes: 0, totalBytes: 0, movedBytes: 0 },
    },
    declined: { mode: "ERR", cause: "third" },
    failed: { mode: "ERR", cause: "first" },
  },
};

for (const [stateName, state] of Object.entries(STATES)) {
  for (const [eventName, event] of Object.entries(EVENTS)) {
    const expected = LEGAL[stateName]?.[eventName];
    t.test(`${stateName} + ${eventName}: ${expected?.mode ?? "illegal"}`, (t) => {
      if (expected === undefined)
        t.throws(() => nextReplicaState(state, event), { name: "IllegalTransition" });
      else t.strictSame(nextReplicaState(state, event), expected);
      t.end();
    });
  }
}
