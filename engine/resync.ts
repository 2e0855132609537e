/** A replica that was away becomes a copy again: what it missed is found out, and copied while I/O is served. */
import type { Absence, ReplicaFacts } from "../proto/control.js";
import { judgeComeback } from "./comeback.js";
import type { Joining } from "./joining.js";
import { AGREEMENT_COPY_BYTES_MAX } from "./limits.js";
import { unionOfRegions } from "./region-ranges.js";
import { planResync } from "./resync-plan.js";
import type { Roster } from "./roster.js";
import type { Slot } from "./slot.js";
import type { SnapshotFollowers } from "./snapshot-followers.js";

/** The replica must not be a copy; another attempt brings the same as long as it stays what it is. */
export class DeclinedError extends Error {
  override readonly name = "DeclinedError";
}

export class Resync {
  constructor(
    private readonly roster: Roster,
    private readonly joining: Joining,
    private readonly followers: SnapshotFollowers,
  ) {}

  /** Resolves when the replica is a copy.
   * @throws {DeclinedError}
   * @throws {Error} it cannot be reached, failed again, or nobody is there that it could be made equal to */
  async run(slot: Slot): Promise<void> {
    const { roster, joining, followers } = this;
    const facts = await slot.link.identify();
    const from = joining.source();
    const { absence, why } = this.#judge(slot, await from.link.identify(), facts);
    await joining.admit(slot, facts);
    try {
      await roster.connect(slot, slot.stored.generation);
      await roster.decisions.run(() => joining.open(slot));
      await this.#copy(slot, from, absence, why);
      while (!(await joining.join(slot))) await this.#copySnapshots(slot);
      if (slot.rebuilt) await followers.end(slot);
    } catch (error) {
      const cause = `could not be resynced: ${(error as Error).message}`;
      await roster.decisions.run(() => joining.giveUp(slot, cause));
      throw error;
    }
  }

  /** It took snapshots before it held everything: with their files it lacks only what changed since. */
  async #copySnapshots(slot: Slot): Promise<void> {
    const { roster, joining, followers } = this;
    await followers.copy(slot);
    // What was sent to it before the files were loaded has ended everywhere, and is on the copies' maps.
    await roster.volume.quiesce();
    await roster.volume.resume();
    await this.#copy(slot, joining.source(), roster.keeper.absenceOf(slot.replicaId), "nobody waited for it");
  }

  #judge(slot: Slot, { chain }: ReplicaFacts, facts: ReplicaFacts): { absence: Absence | null; why: string } {
    const { keeper, slots, size } = this.roster;
    const verdict = judgeComeback(facts, {
      volume: keeper.volume,
      size,
      generation: keeper.generation,
      replicaId: slot.replicaId === "" ? null : slot.replicaId,
      others: slots.filter((other) => other !== slot).map(({ replicaId }) => replicaId),
      chain,
      absence: keeper.absenceOf(facts.replicaId),
    });
    if (verdict.type === "declined") throw new DeclinedError(verdict.reason);
    return verdict;
  }

  async #copy(slot: Slot, from: Slot, absence: Absence | null, why: string): Promise<void> {
    const { roster, joining } = this;
    const { method, regions, verified } = await planResync(roster, slot, from, absence, why);
    const ranges = unionOfRegions(regions, roster.size, AGREEMENT_COPY_BYTES_MAX);
    joining.plan(slot, method, ranges);
    await joining.copy(slot, from, ranges);
    if (!verified) return;
    const differed = await joining.compare(slot, from, ranges);
    if (differed > 0) throw new Error(`${differed} bytes differed after all had been copied`);
  }
}
