/** The replicas of a running engine and what every decision about them shares: the slots of the native Volume, the record,
 * the queue of decisions, and the end after which nothing is served. */
import { setMaxListeners } from "node:events";
import type { Logger } from "pino";
import type { Volume } from "../native/index.js";
import type { EngineRequest, OpeningRequest } from "../proto/control.js";
import { CopyPacer } from "./copy-pacer.js";
import { DecisionQueue } from "./decision-queue.js";
import { FilePacer } from "./file-pacer.js";
import { healthOf, type End, type Health } from "./health.js";
import { REPLICAS_MAX, STOP_WAITERS_MAX } from "./limits.js";
import { ReadLease } from "./read-lease.js";
import type { RecordKeeper } from "./record-keeper.js";
import { FencedError } from "./replica-link.js";
import { nextReplicaState, type ReplicaEvent } from "./replica-state.js";
import type { Known } from "./return-verdict.js";
import { isLonghorn } from "./longhorn/longhorn-link.js";
import { speaksLonghorn } from "./plain-file/file-link.js";
import { ReplicaCounts } from "./replica-counts.js";
import { connectLonghorn, connectSlot } from "./slot-connection.js";
import { isCopy, isMember, type Slot } from "./slot.js";

export interface RosterOptions {
  volume: Volume;
  keeper: RecordKeeper;
  slots: Slot[];
  /** bytes */
  size: number;
  onHealth: (health: Health) => void;
  log: Logger;
}

export class Roster {
  readonly volume: Volume;
  readonly keeper: RecordKeeper;
  readonly slots: Slot[];
  readonly log: Logger;
  readonly decisions: DecisionQueue;
  readonly pacer: CopyPacer;
  readonly filePacer: FilePacer;
  readonly counts = new ReplicaCounts();
  readonly lease: ReadLease;
  readonly #stop = new AbortController();
  /** taken out */
  #removed: Slot[] = [];
  readonly #onHealth: (health: Health) => void;
  #end: End | null = null;
  #size: number;

  constructor({ onHealth, ...shared }: RosterOptions) {
    this.volume = shared.volume;
    this.keeper = shared.keeper;
    this.slots = shared.slots;
    this.#size = shared.size;
    this.log = shared.log;
    this.#onHealth = onHealth;
    setMaxListeners(STOP_WAITERS_MAX, this.#stop.signal);
    const signal = this.#stop.signal;
    const pacer = new CopyPacer(shared.volume, signal);
    this.pacer = pacer;
    const { slots, log, keeper } = shared;
    this.filePacer = new FilePacer({ volume: keeper.volume, slots, pacer, signal, log });
    this.lease = new ReadLease(this);
    this.decisions = new DecisionQueue({
      signal: this.#stop.signal,
      onError: (error) => this.#onDecisionError(error),
    });
  }

  /** bytes */
  get size(): number {
    return this.#size;
  }

  /** All replicas that are written have become larger. @param size bytes */
  async grow(size: number): Promise<void> {
    await this.volume.grow(size);
    this.#size = size;
  }

  /** Aborted when the engine stops: all loops end. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Once set nothing is served any more. */
  get end(): End | null {
    return this.#end;
  }

  stop(): void {
    this.#stop.abort();
  }

  /** @returns a slot of the native Volume that nobody uses
   * @throws {Error} there is none */
  freeIndex(): number {
    // What was under way for one that was taken out may still touch its slot.
    this.#removed = this.#removed.filter(({ reconnecting, returning }) => reconnecting || returning);
    const used = new Set([...this.slots, ...this.#removed].map(({ index }) => index));
    const free = Array.from({ length: REPLICAS_MAX }, (_, index) => index).find((index) => !used.has(index));
    if (free === undefined) throw new Error(`a volume has at most ${REPLICAS_MAX} replicas`);
    return free;
  }

  /** One that is ERR. */
  remove(slot: Slot): void {
    this.slots.splice(this.slots.indexOf(slot), 1);
    this.#removed.push(slot);
    slot.link.close();
    this.publish();
  }

  /** Those that hold the volume, or agree about it after a crash. */
  members(): Slot[] {
    return this.slots.filter(isMember);
  }

  /** @param index of the native Volume */
  slot(index: number): Slot | undefined {
    return this.slots.find((slot) => slot.index === index);
  }

  /** Whether there is another replica that holds every acknowledged write, is connected and answers. */
  otherCopy(slot: Slot): boolean {
    return this.slots.some(
      (other) =>
        other !== slot && other.state.mode === "RW" && other.silent === null && this.keepsRecord(other),
    );
  }

  /** Whether it can keep what was decided for the next start: replicas of ours, or where there are none, Longhorn's.
   * @param joining not counted: it is about to become a member */
  keepsRecord({ link }: Pick<Slot, "link">, joining: Slot | null = null): boolean {
    return (
      !isLonghorn(link) || this.members().every((member) => member === joining || isLonghorn(member.link))
    );
  }

  someAway(): boolean {
    return this.slots.some(({ state }) => state.mode === "AWAY");
  }

  /** The one place where a replica's state changes. */
  apply(slot: Slot, event: ReplicaEvent): void {
    const from = slot.state;
    const state = nextReplicaState(from, event);
    this.counts.note(slot, event);
    slot.state = state;
    if (from.mode === slot.state.mode) return;
    // A try to bring it back that fails is followed by a pause.
    if (slot.state.mode === "ERR" && !slot.returning) slot.untilFailed.end();
    const change = { replica: slot.address, from: from.mode, to: slot.state.mode, event };
    this.log.info(change, "replica state changed");
  }

  /** It may hold other data than another copy does: until it is dropped it is neither read nor counted on. */
  async withdraw(slot: Slot): Promise<void> {
    slot.differs = true;
    if (isCopy(slot)) this.apply(slot, { type: "differs" });
    await this.volume.setMode(slot.index, "WO");
  }

  publish(): void {
    this.#onHealth(this.#end ?? healthOf(this.slots));
  }

  /** Nothing is served from now on. */
  async finish(end: End): Promise<void> {
    if (this.#end !== null) return;
    this.#end = end;
    if (end.type === "fenced") {
      // Whoever gets no answer here asks again, and finds the engine that has taken over.
      void this.volume.quiesce().catch(() => undefined);
    } else {
      await this.volume.refuse("IO_ERROR");
      for (const { index } of this.slots) await this.volume.failHeld(index, "IO_ERROR");
      await this.volume.failHeld(null, "IO_ERROR");
    }
    this.publish();
  }

  /** Makes a decision later, unless nothing is to be decided any more by then. */
  later(decision: () => Promise<void>, delayMs: number): void {
    this.decisions.later(() => (this.#end === null ? decision() : Promise.resolve()), delayMs);
  }

  request({ stored }: Pick<Slot, "stored">): EngineRequest {
    return { engineId: this.keeper.engineId, generation: stored.generation };
  }

  /** About what a replica did since it was connected last. */
  openingRequest({ stored }: Pick<Slot, "stored">): OpeningRequest {
    return { ...this.request({ stored }), opening: stored.opening };
  }

  known({ replicaId }: Pick<Slot, "replicaId">): Known {
    const { volume, engineId, generation } = this.keeper;
    return { volume, replicaId, engineId, generation };
  }

  /** Connects a slot's data stream. @param generation that the replica has recorded
   * @throws {Error} */
  async connect(slot: Slot, generation: number): Promise<void> {
    const { address, facts, index } = slot;
    const { engineId } = this.keeper;
    if (facts === null) throw new Error(`replica ${address} has never answered`);
    if (speaksLonghorn(slot.link)) await connectLonghorn(this.volume, index, slot.link, facts);
    else await connectSlot(this.volume, { slot: index, address, facts, engineId, generation });
    slot.breaksAtConnect = slot.breaks;
  }

  #onDecisionError(err: unknown): void {
    if (err instanceof FencedError) {
      const { message } = err;
      void this.decisions.run(() => this.finish({ type: "fenced", reason: message }));
    } else if (!this.signal.aborted) {
      this.log.error({ err }, "a decision about replicas failed");
    }
  }

  /** For promises that nobody waits for. */
  readonly onError = (err: unknown): void => this.#onDecisionError(err);
}
