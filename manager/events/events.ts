/** What happened, for people: to which object, why, how often. Facts: manager.md section 21. */
import type { Kind } from "../objects/kinds.js";
import type { Resource } from "../objects/resource.js";

export interface NewEvent {
  type: "Normal" | "Warning";
  /** one of Longhorn's reasons: "Attached", "Rebuilt", ... */
  reason: string;
  message: string;
  /** who says so: "longhorn-volume-controller", ... */
  source: string;
  /** whom it is about; the uid is "" when there is none (any more) */
  object: { kind: Kind; name: string; uid: string };
}

/** The same one again is counted, not listed again. */
export interface RecordedEvent extends NewEvent {
  /** of this record alone */
  name: string;
  uid: string;
  count: number;
  /** RFC 3339, both */
  firstTimestamp: string;
  lastTimestamp: string;
}

export interface Events {
  /** Returns at once and never fails: what is done does not depend on its being told. */
  record(event: NewEvent): void;
  /** The oldest first. */
  list(): Promise<RecordedEvent[]>;
  /** Calls back some time after changes, once for many.
   * @returns ends it */
  watch(listener: () => void): () => void;
  /** What was recorded is durable when it resolves. */
  close(): Promise<void>;
}

/** Says of an object what happened to it. */
export type Tell = (object: Resource, event: Pick<NewEvent, "type" | "reason" | "message">) => void;

/** @param source who says so */
export function tellAs(events: Events, source: string): Tell {
  return ({ kind, metadata: { name, uid } }, event) =>
    events.record({ ...event, source, object: { kind, name, uid } });
}
