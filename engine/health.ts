/** What the replicas of a volume are worth to initiators. Pure. */
import type { ReplicaState } from "./replica-state.js";

export type Health =
  /** `shortOf`: why there are fewer copies than configured; null when there are not */
  | { type: "served"; shortOf: string | null }
  | { type: "waited"; reason: string }
  | { type: "writesLost"; reason: string }
  | { type: "fenced"; reason: string };

/** Nothing is served any more. */
export type End = Extract<Health, { type: "writesLost" | "fenced" }>;

export interface ReplicaHealth {
  address: string;
  state: ReplicaState;
  /** set while the last copy leaves operations unanswered */
  silent: { reason: string } | null;
}

export function healthOf(replicas: ReplicaHealth[]): Health {
  const waiting = replicas.flatMap(({ address, state, silent }) => {
    const reason = state.mode === "AWAY" ? state.reason : silent?.reason;
    return reason === undefined ? [] : [`replica ${address}: ${reason}`];
  });
  if (waiting.length > 0) return { type: "waited", reason: waiting.join("; ") };
  const failed = replicas.flatMap(({ address, state }) =>
    state.mode === "ERR"
      ? [`replica ${address}: ${state.cause}`]
      : state.mode === "RESYNC"
        ? [`replica ${address} is resynced`]
        : [],
  );
  return { type: "served", shortOf: failed.length > 0 ? failed.join("; ") : null };
}
