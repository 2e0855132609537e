/**
 * A replica that was away becomes a copy again: fenced for others, written along with the copies, made equal where it may
 * differ, durable, and only then recorded as a member and read. A crash at any point leaves it no member.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Absence, ReplicaFacts } from "../proto/control.js";
import { judgeComeback } from "./comeback.js";
import type { Dropping } from "./dropping.js";
import { AGREEMENT_COPY_BYTES_MAX, AGREEMENT_RETRY_MS } from "./limits.js";
import { makeEqual } from "./make-equal.js";
import { bytesOf, unionOfRegions, type Range } from "./region-ranges.js";
import { planResync } from "./resync-plan.js";
import type { Roster } from "./roster.js";
import type { Slot } from "./slot.js";

/** The replica must not be a copy; another attempt brings the same as long as it stays what it is. */
export class DeclinedError extends Error {
  override readonly name = "DeclinedError";
}

export class Resync {
  constructor(
    private readonly roster: Roster,
    private readonly dropping: Dropping,
  ) {}

  /** Resolves when the replica is a copy.
   * @throws {DeclinedError}
   * @throws {Error} it cannot be reached, failed again, or nobody is there that it could be made equal to */
  async run(slot: Slot): Promise<void> {
    const facts = await slot.link.identify();
    const from = this.#source();
    const { absence, why } = this.#judge(slot, from, facts);
    await this.#admit(slot, facts);
    try {
      await this.roster.connect(slot, slot.stored.generation);
      await this.roster.decisions.run(() => this.#open(slot));
      await this.#copy(slot, from, absence, why);
      await this.#join(slot);
    } catch (error) {
      const cause = `could not be resynced: ${(error as Error).message}`;
      await this.roster.decisions.run(() => this.#giveUp(slot, cause));
      throw error;
    }
  }

  #source(): Slot {
    const from = this.roster.slots.find(({ state }) => state.mode === "RW");
    if (from === undefined || this.roster.end !== null) throw new Error("no copy is served");
    return from;
  }

  #judge(slot: Slot, from: Slot, facts: ReplicaFacts): { absence: Absence | null; why: string } {
    const { keeper, slots, size } = this.roster;
    const verdict = judgeComeback(facts, {
      volume: keeper.volume,
      size,
      generation: keeper.generation,
      replicaId: slot.replicaId === "" ? null : slot.replicaId,
      others: slots.filter((other) => other !== slot).map(({ replicaId }) => replicaId),
      chain: from.facts?.chain ?? [],
      absence: keeper.absenceOf(facts.replicaId),
    });
    if (verdict.type === "declined") throw new DeclinedError(verdict.reason);
    return verdict;
  }

  /** From here on the replica is this engine's, and no member. */
  async #admit(slot: Slot, facts: ReplicaFacts): Promise<void> {
    slot.facts = facts;
    slot.replicaId = facts.replicaId;
    slot.stored = { generation: facts.record?.generation ?? 0, engineId: facts.record?.engineId ?? "" };
    await this.roster.keeper.admit(slot);
  }

  /** Lets writes go to it as well. */
  async #open(slot: Slot): Promise<void> {
    const { roster } = this;
    this.#source();
    if (slot.breaks > slot.breaksAtConnect) throw new Error("its stream ended");
    Object.assign(slot, { silent: null, lost: null, restarted: false, noSpace: [] });
    roster.apply(slot, { type: "rejoined" });
    await roster.volume.setMode(slot.index, "WO");
    roster.publish();
  }

  async #copy(slot: Slot, from: Slot, absence: Absence | null, why: string): Promise<void> {
    const { roster } = this;
    const { method, regions, verified } = await planResync(roster, slot, from, absence, why);
    const ranges = unionOfRegions(regions, roster.size, AGREEMENT_COPY_BYTES_MAX);
    this.#check(slot);
    roster.apply(slot, { type: "planned", method, totalBytes: bytesOf(ranges) });
    roster.log.info({ replica: slot.address, method, bytes: bytesOf(ranges) }, "resync begins");
    await this.#makeEqual(slot, from, ranges, (comparedBytes, movedBytes) =>
      roster.apply(slot, { type: "resynced", comparedBytes, movedBytes }),
    );
    if (!verified) return;
    let differed = 0;
    await this.#makeEqual(slot, from, ranges, (_, moved) => (differed += moved));
    if (differed > 0) throw new Error(`${differed} bytes differed after all had been copied`);
  }

  async #makeEqual(
    slot: Slot,
    from: Slot,
    ranges: Range[],
    onCopied: (bytes: number, moved: number) => void,
  ): Promise<void> {
    const { roster } = this;
    const wanted = () => slot.state.mode === "RESYNC" && from.state.mode !== "ERR";
    const refusals: Error[] = [];
    const done = await makeEqual({
      volume: roster.volume,
      from: from.index,
      to: slot.index,
      ranges,
      wanted: () => wanted() && refusals.length === 0,
      onCopied: (bytes, moved) => {
        if (wanted()) onCopied(bytes, moved);
      },
      onRefused: (error) => refusals.push(error),
      signal: roster.signal,
      log: roster.log,
    });
    if (refusals[0] !== undefined) throw refusals[0];
    this.#check(slot);
    if (!done) throw new Error(`replica ${from.address}, which it was copied from, failed`);
  }

  #check(slot: Slot): void {
    if (slot.state.mode === "ERR") throw new Error(slot.state.cause);
    if (slot.state.mode !== "RESYNC" || this.roster.signal.aborted) throw new Error("the engine stops");
  }

  async #join(slot: Slot): Promise<void> {
    const { roster } = this;
    for (;;) {
      // Durable before it counts: a member that restarts has to hold what it was given.
      await roster.volume.flush(null);
      if (await roster.decisions.run(() => this.#tryJoin(slot))) return;
      await sleep(AGREEMENT_RETRY_MS, undefined, { signal: roster.signal });
    }
  }

  /** @returns false when a copy is away, or did not answer: it has to hear of it as well */
  async #tryJoin(slot: Slot): Promise<boolean> {
    const { roster } = this;
    this.#check(slot);
    if (roster.someAway()) return false;
    const { state } = slot;
    if (!slot.joining) {
      await slot.link.agreed(roster.request(slot));
      if (slot.breaks > slot.breaksAtConnect) throw new Error("its stream ended");
    }
    if (state.mode === "RESYNC") slot.lastResync = state.progress;
    if (!(await this.dropping.join(slot))) return false;
    if (slot.state.mode === "ERR") throw new Error(slot.state.cause);
    roster.log.info({ replica: slot.address, ...slot.lastResync }, "resynced");
    return true;
  }

  async #giveUp(slot: Slot, cause: string): Promise<void> {
    if (slot.state.mode !== "RESYNC" || this.roster.signal.aborted) return;
    if (await this.dropping.drop([{ slot, cause }])) return;
    this.roster.later(() => this.#giveUp(slot, cause), AGREEMENT_RETRY_MS);
  }
}
