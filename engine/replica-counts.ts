/** What has happened to the replicas of a running engine, counted from its start. */
import type { ReplicaEvent } from "./replica-state.js";
import { isMember, type Slot } from "./slot.js";

type Counted = Pick<Slot, "state" | "joining" | "ordered" | "announced">;

export class ReplicaCounts {
  /** of files and blocks that went to new replicas */
  rebuildBytes = 0;
  /** of those that went to replicas that came back */
  resyncBytes = 0;
  /** members that the engine went on without, but for those that somebody took away */
  failures = 0;
  /** times that I/O was held for a change of all replicas at once */
  holds = 0;
  /** for how long in all, from when no operation could begin until they went on */
  heldMicros = 0;

  /** To be told before the event changes the slot. */
  note(slot: Counted, event: ReplicaEvent): void {
    if (event.type === "failed" && isMember(slot) && !slot.announced) this.failures += 1;
    if (event.type === "resynced") this.copied(slot, event.movedBytes);
  }

  /** @param ms that I/O was held for a change of all replicas */
  held(ms: number): void {
    this.holds += 1;
    this.heldMicros += Math.round(ms * 1000);
  }

  /** @param bytes that were copied to a replica */
  copied({ ordered }: Pick<Counted, "ordered">, bytes: number): void {
    if (ordered) this.rebuildBytes += bytes;
    else this.resyncBytes += bytes;
  }
}
