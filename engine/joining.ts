/**
 * How a replica that is no member becomes one, whether it is resynced or rebuilt: fenced for others, written along with
 * the copies, made equal where it may differ, durable, and only then recorded as a member and read. A crash at any point
 * leaves it no member.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ReplicaFacts } from "../proto/control.js";
import type { Dropping } from "./dropping.js";
import { AGREEMENT_RETRY_MS } from "./limits.js";
import { makeEqual } from "./make-equal.js";
import { bytesOf, type Range } from "./region-ranges.js";
import type { Revisions } from "./revisions.js";
import type { Roster } from "./roster.js";
import { basisOf, type Holder } from "./record-keeper.js";
import { isCopy, type Slot } from "./slot.js";
import type { WitnessWatch } from "./witness-watch.js";

/** The replica that it was copied from failed; another one may do. */
export class SourceFailedError extends Error {
  override readonly name = "SourceFailedError";
}

export class Joining {
  constructor(
    private readonly roster: Roster,
    private readonly dropping: Dropping,
    private readonly revisions: Revisions,
    private readonly witness: WitnessWatch,
  ) {}

  /** A replica that others can be made equal to.
   * @throws {Error} there is none */
  source(): Slot {
    const from = this.roster.slots.find(({ state }) => state.mode === "RW");
    if (from === undefined || this.roster.end !== null) throw new Error("no copy is served");
    return from;
  }

  /** From here on the replica is this engine's, and no member. */
  async admit(slot: Slot, facts: ReplicaFacts): Promise<void> {
    slot.facts = facts;
    slot.replicaId = facts.replicaId;
    slot.stored = basisOf(facts);
    await this.roster.keeper.admit(slot);
  }

  /** What this engine has asked of the replica so far, and may come late, is refused from here on: it would undo what is done next.
   * @throws {Error} nobody recorded it, or no copy is served any more */
  async fence(slot: Slot): Promise<void> {
    const { roster } = this;
    const renewed = async () => {
      this.source();
      if (!roster.slots.includes(slot)) throw new Error("it was removed");
      // It has to hear of it as well, and would be dropped.
      if (roster.someAway()) return false;
      if (await this.dropping.renew()) return true;
      throw new Error("no copy recorded that it comes back");
    };
    while (!(await roster.decisions.run(renewed)))
      await sleep(AGREEMENT_RETRY_MS, undefined, { signal: roster.signal });
    await roster.keeper.admit(slot);
    slot.asked = false;
  }

  /** Connects its stream. @throws {Error} */
  async connect(slot: Slot): Promise<void> {
    await this.roster.connect(slot, slot.stored.generation);
    // It may have restarted since it was looked at. If it does from here on, its stream ends.
    const { opening } = await slot.link.identify();
    slot.stored = { ...slot.stored, opening };
  }

  /** Lets writes go to it as well. To be called as a decision. */
  async open(slot: Slot): Promise<void> {
    const { roster } = this;
    this.source();
    if (!roster.slots.includes(slot)) throw new Error("it was removed");
    if (slot.breaks > slot.breaksAtConnect) throw new Error("its stream ended");
    Object.assign(slot, { silent: null, lost: null, restarted: false, noSpace: [] });
    Object.assign(slot, { rebuilt: false, differs: false, doubtful: [] });
    roster.apply(slot, { type: "rejoined" });
    await roster.volume.setMode(slot.index, "WO");
    roster.publish();
  }

  /** Says what is going to be looked at. @param method in words */
  plan(slot: Slot, method: string, ranges: Range[]): void {
    this.check(slot);
    this.roster.apply(slot, { type: "planned", method, totalBytes: bytesOf(ranges) });
    this.roster.log.info({ replica: slot.address, method, bytes: bytesOf(ranges) }, "resync begins");
  }

  /** Makes the replica equal to `from`, and counts what was looked at as progress.
   * @returns bytes that differed
   * @throws {SourceFailedError}
   * @throws {Error} the replica failed, or refused a write */
  async copy(slot: Slot, from: Slot, ranges: Range[]): Promise<number> {
    return this.#makeEqual(slot, from, ranges, (comparedBytes, movedBytes) =>
      this.roster.apply(slot, { type: "resynced", comparedBytes, movedBytes }),
    );
  }

  /** The same for what was counted before. */
  async compare(slot: Slot, from: Slot, ranges: Range[]): Promise<number> {
    return this.#makeEqual(slot, from, ranges, () => undefined);
  }

  async #makeEqual(
    slot: Slot,
    from: Slot,
    ranges: Range[],
    onCopied: (bytes: number, moved: number) => void,
  ): Promise<number> {
    const { roster } = this;
    const wanted = () => slot.state.mode === "RESYNC" && isCopy(from);
    const refusals: Error[] = [];
    let differed = 0;
    const done = await makeEqual({
      volume: roster.volume,
      pacer: roster.pacer,
      from: from.index,
      to: slot.index,
      ranges,
      wanted: () => wanted() && refusals.length === 0,
      onCopied: (bytes, moved) => {
        differed += moved;
        if (wanted()) onCopied(bytes, moved);
      },
      onRefused: (error) => refusals.push(error),
      signal: roster.signal,
      log: roster.log,
    });
    if (refusals[0] !== undefined) throw refusals[0];
    this.check(slot);
    if (!done) throw new SourceFailedError(`replica ${from.address}, which it was copied from, failed`);
    return differed;
  }

  /** @throws {Error} the replica is not on its way any more */
  check(slot: Slot): void {
    if (slot.state.mode === "ERR") throw new Error(slot.state.cause);
    if (slot.state.mode !== "RESYNC" || this.roster.signal.aborted) throw new Error("the engine stops");
  }

  /** Makes it a member, and then readable. The witness counts from the second copy on.
   * @returns false when it took a snapshot meanwhile, before it held everything */
  async join(slot: Slot): Promise<boolean> {
    const { roster } = this;
    for (;;) {
      // Durable before it counts: a member that restarts has to hold what it was given.
      await roster.volume.flush(null);
      const witness = await this.witness.candidate();
      if (await this.revisions.level(() => this.#tryJoin(slot, witness), [slot])) return true;
      if (slot.doubtful.length > 0) return false;
      await sleep(AGREEMENT_RETRY_MS, undefined, { signal: roster.signal });
    }
  }

  /** @returns false when a copy is away, or did not answer: it has to hear of it as well; or as `join` */
  async #tryJoin(slot: Slot, witness: Holder | null): Promise<boolean> {
    const { roster } = this;
    this.check(slot);
    if (roster.someAway() || slot.doubtful.length > 0) return false;
    if (slot.differs) throw new Error("it could not be made equal after a failed write");
    const { state } = slot;
    if (!slot.joining) {
      await slot.link.agreed(roster.openingRequest(slot));
      if (slot.breaks > slot.breaksAtConnect) throw new Error("its stream ended");
    }
    if (state.mode === "RESYNC") slot.lastResync = state.progress;
    if (!(await this.dropping.join(slot, witness))) return false;
    if (slot.state.mode === "ERR") throw new Error(slot.state.cause);
    roster.log.info({ replica: slot.address, ...slot.lastResync }, "resynced");
    return true;
  }

  /** To be called as a decision. */
  async giveUp(slot: Slot, cause: string): Promise<void> {
    const { roster } = this;
    if (roster.signal.aborted) return;
    // Connected, and never opened: nobody uses the stream.
    if (slot.state.mode === "ERR") await roster.volume.setMode(slot.index, "OFF");
    if (slot.state.mode !== "RESYNC") return;
    if (await this.dropping.drop([{ slot, cause }])) return;
    roster.later(() => this.giveUp(slot, cause), AGREEMENT_RETRY_MS);
  }
}
