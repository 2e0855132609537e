/** A replica that was away becomes a copy again: what it missed is found out, and copied while I/O is served. */
import type { Absence, ReplicaFacts } from "../proto/control.js";
import { judgeComeback, sameSnapshots, type Comeback } from "./comeback.js";
import type { Joining } from "./joining.js";
import { AGREEMENT_COPY_BYTES_MAX } from "./limits.js";
import { MissedSnapshots } from "./missed-snapshots.js";
import { unionOfRegions } from "./region-ranges.js";
import { planResync } from "./resync-plan.js";
import type { Roster } from "./roster.js";
import type { Slot } from "./slot.js";
import type { SnapshotFollowers } from "./snapshot-followers.js";

/** The replica must not be a copy; another attempt brings the same as long as it stays what it is. */
export class DeclinedError extends Error {
  override readonly name = "DeclinedError";
}

/** What is known of what a replica misses: since when it is away, or why nothing is. */
interface History {
  absence: Absence | null;
  why: string;
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
    const { joining, followers } = this;
    const facts = await slot.link.identify();
    const from = joining.source();
    const verdict = this.#judge(slot, await from.link.identify(), facts);
    if (verdict.snapshots === "same") {
      await joining.admit(slot, facts);
      if (slot.asked) await joining.fence(slot);
      await this.#join(slot, from, verdict, false);
      if (slot.rebuilt) await followers.end(slot);
      return;
    }
    const snapshots = await this.#missedSnapshots(slot, from);
    try {
      const history = await this.#bringSnapshots(slot, snapshots, facts, verdict);
      // What of that came again would take along what is written to it.
      await joining.fence(slot);
      await this.#join(slot, from, history, true);
      slot.rebuilt = false;
      await snapshots.end().catch(this.roster.onError);
    } finally {
      this.roster.counts.copied(slot, snapshots.copiedBytes);
      snapshots.close();
    }
  }

  async #missedSnapshots(slot: Slot, from: Slot): Promise<MissedSnapshots> {
    const { roster } = this;
    try {
      return await MissedSnapshots.begin(roster.keeper.volume, from.address, slot.address, () =>
        roster.openingRequest(slot),
      );
    } catch (error) {
      throw new DeclinedError((error as Error).message, { cause: error });
    }
  }

  /** @returns what is known of what it misses then */
  async #bringSnapshots(
    slot: Slot,
    snapshots: MissedSnapshots,
    facts: ReplicaFacts,
    { absence, why }: History,
  ): Promise<History> {
    const { roster, joining } = this;
    await joining.admit(slot, facts);
    // An attempt before this one may have asked it for more than it has done yet.
    if (slot.asked) await joining.fence(slot);
    slot.asked = true;
    roster.apply(slot, { type: "declined", cause: "its snapshots are being copied" });
    roster.publish();
    const wanted = () => !roster.signal.aborted && !slot.ordered && roster.slots.includes(slot);
    const isProven = absence !== null && !facts.lostWrites;
    const reaches = await roster.filePacer.during(() => snapshots.bring(isProven, wanted));
    // Its data port may be another one by now.
    slot.facts = await slot.link.identify();
    if (absence === null || reaches) return { absence, why };
    return { absence: null, why: "no snapshot was taken while it was away, but some were removed" };
  }

  /** Makes it a copy, when its snapshots are those of the others.
   * @param rebuilt it is nobody's copy any more when this is broken off */
  async #join(slot: Slot, from: Slot, { absence, why }: History, rebuilt: boolean): Promise<void> {
    const { roster, joining } = this;
    try {
      await joining.connect(slot);
      await roster.decisions.run(async () => {
        if (slot.ordered) throw new Error("a client set it to ERR");
        await joining.open(slot);
        slot.rebuilt = rebuilt;
        // From now on it takes snapshots as the others do; one may have been taken before.
        if (!sameSnapshots(await slot.link.identify(), await from.link.identify()))
          throw new Error("a snapshot was taken meanwhile");
        // Reverted to its head's own parent the volume has the same snapshots, and other data.
        const known = roster.keeper.absenceOf(slot.replicaId);
        if (absence !== null && known?.excludedAt !== absence.excludedAt)
          throw new Error("the volume was reverted meanwhile");
      });
      await this.#copy(slot, from, absence, why);
      while (!(await joining.join(slot))) await this.#copySnapshots(slot);
    } catch (error) {
      const cause = `could not be resynced: ${(error as Error).message}`;
      await roster.decisions.run(() => joining.giveUp(slot, cause));
      throw error;
    }
  }

  /** It took snapshots before it held everything: with their files it lacks only what changed since. */
  async #copySnapshots(slot: Slot): Promise<void> {
    const { roster, joining, followers } = this;
    slot.asked = true;
    await followers.copy(slot);
    // What was sent to it before the files were loaded has ended everywhere, and is on the copies' maps.
    await roster.volume.quiesce();
    await roster.volume.resume();
    await this.#copy(slot, joining.source(), roster.keeper.absenceOf(slot.replicaId), "nobody waited for it");
  }

  #judge(
    slot: Slot,
    { chain, chainCreated, backing }: ReplicaFacts,
    facts: ReplicaFacts,
  ): Exclude<Comeback, { type: "declined" }> {
    const { keeper, slots, size } = this.roster;
    const verdict = judgeComeback(facts, {
      volume: keeper.volume,
      size,
      generation: keeper.generation,
      engineId: keeper.engineId,
      replicaId: slot.replicaId === "" ? null : slot.replicaId,
      others: slots.filter((other) => other !== slot).map(({ replicaId }) => replicaId),
      ...{ chain, chainCreated, backing },
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
