/** What to do about a replica that ended its stream, answered with an error, or does not answer: one table. */
import type { StatusName, SlotEvent } from "../native/index.js";

export type Remedy =
  /** record on the survivors that it failed, then go on without it */
  | { type: "drop"; cause: string }
  /** reconnect; after a grace period drop it if another copy is there */
  | { type: "reconnect"; reason: string }
  /** nothing but patience: the operations stay held */
  | { type: "wait"; reason: string }
  /** see whether the other copies ran out of space as well */
  | { type: "gather" }
  /** the only copy cannot come back by itself: nothing is served any more */
  | { type: "end"; reason: string }
  /** answer the operations held there, then make the copies equal where they may differ */
  | { type: "answer"; status: StatusName };

type FailedRow = (otherCopy: boolean, cause: string) => Remedy;

const reconnect: FailedRow = (_otherCopy, cause) => ({ type: "reconnect", reason: cause });
const dropOrAnswer =
  (status: StatusName): FailedRow =>
  (otherCopy, cause) =>
    otherCopy ? { type: "drop", cause } : { type: "answer", status };
// No replica can be blamed for a request that it rightly refuses.
const answer =
  (status: StatusName): FailedRow =>
  () => ({ type: "answer", status });

const REMEDY_OF_STATUS: Record<StatusName, FailedRow> = {
  IO_ERROR: dropOrAnswer("IO_ERROR"),
  CHECKSUM_MISMATCH: dropOrAnswer("CHECKSUM_MISMATCH"),
  NO_SPACE: (otherCopy) => (otherCopy ? { type: "gather" } : { type: "answer", status: "NO_SPACE" }),
  INVALID: answer("INVALID"),
  OUT_OF_RANGE: answer("OUT_OF_RANGE"),
  // Who owns it now is found out by asking it.
  FENCED: reconnect,
  NOT_OPEN: reconnect,
  DISCONNECTED: reconnect,
  // Never sent by a replica; whatever it means, the copy cannot be relied on.
  OK: dropOrAnswer("IO_ERROR"),
  MISCOMPARE: dropOrAnswer("IO_ERROR"),
  ABORTED: dropOrAnswer("IO_ERROR"),
};

/** In words. */
export function causeOf(event: SlotEvent): string {
  switch (event.type) {
    case "disconnected":
      return event.reason;
    case "timeout":
      return `no answer to ${event.op} for ${event.elapsedMs} ms`;
    case "failed":
      return `${event.op} of ${event.length} bytes at ${event.offset}: ${event.status} ${event.message}`.trim();
  }
}

/** @param otherCopy whether another connected replica may be read: the last one is never dropped */
export function remedyFor(event: SlotEvent, otherCopy: boolean): Remedy {
  const cause = causeOf(event);
  switch (event.type) {
    case "disconnected":
      return { type: "reconnect", reason: cause };
    case "timeout":
      return otherCopy ? { type: "drop", cause } : { type: "wait", reason: cause };
    case "failed":
      return REMEDY_OF_STATUS[event.status](otherCopy, cause);
  }
}

/** The same for one of Longhorn's replicas, which does not come back: nothing says whether it is still what it was, nor
 * whether what was sent to it before is carried out later. */
export function remedyForLonghorn(event: SlotEvent, otherCopy: boolean): Remedy {
  const remedy = remedyFor(event, otherCopy);
  if (remedy.type !== "reconnect") return remedy;
  return otherCopy ? { type: "drop", cause: remedy.reason } : { type: "end", reason: remedy.reason };
}
