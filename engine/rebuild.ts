/**
 * A new replica of a running volume, whose snapshots somebody else copies meanwhile (Longhorn's order of calls): written
 * from the moment on at which all copies took a snapshot, and a copy itself only when it is known to hold everything.
 *
 * Until its snapshots are there, a write of a part of a block, or an unmap, leaves other bytes in the rest of the block than
 * on the copies. So these keep what changes from the beginning on, as for a replica that is away, and all of it is made
 * equal at the end.
 */
import { misfitOfNew } from "./comeback.js";
import type { Dropping } from "./dropping.js";
import { SourceFailedError, type Joining } from "./joining.js";
import type { JointChange, JointChanges } from "./joint-change.js";
import { planRebuild } from "./rebuild-plan.js";
import type { Roster } from "./roster.js";
import type { Slot } from "./slot.js";
import type { SnapshotFollowers } from "./snapshot-followers.js";

export interface RebuildEnd {
  /** loads its files */
  load: () => Promise<void>;
  /** its data did not come file by file from a copy: all of them are compared */
  compareAll: boolean;
  /** bytes of the files that were copied to it before */
  fileBytes: number;
  /** done while no I/O is under way, when all data are equal and before it counts */
  settle: () => Promise<void>;
}

export class Rebuild {
  constructor(
    private readonly roster: Roster,
    private readonly dropping: Dropping,
    private readonly joining: Joining,
    private readonly jointChanges: JointChanges,
    private readonly followers: SnapshotFollowers,
  ) {}

  /** Makes a replica that is no member one that is written, from a change on that all copies make.
   * @returns who failed to make the change; when all did, nothing is written to the replica
   * @throws {Error} it cannot be added */
  async begin(slot: Slot, change: JointChange): Promise<Map<string, Error>> {
    const { roster, joining } = this;
    const { volume, generation, engineId } = roster.keeper;
    const facts = await slot.link.identifyFor(volume);
    const { backing } = await joining.source().link.identify();
    const others = roster.slots.filter((other) => other !== slot).map(({ replicaId }) => replicaId);
    const reason = misfitOfNew(facts, {
      volume,
      size: roster.size,
      backing,
      generation,
      engineId,
      replicaId: null,
      others,
    });
    if (reason !== null) throw new Error(`replica ${slot.address} cannot be added: ${reason}`);
    // Before the first write that it may get wrong.
    await roster.decisions.run(() => this.dropping.expect(facts.replicaId));
    await joining.admit(slot, facts);
    try {
      await joining.connect(slot);
      return await this.jointChanges.make(change, async () => {
        await joining.open(slot);
        slot.rebuilt = true;
        slot.asked = true;
      });
    } catch (error) {
      await roster.decisions.run(() =>
        joining.giveUp(slot, `could not be added: ${(error as Error).message}`),
      );
      throw error;
    }
  }

  /** Makes it a copy, when its snapshots have been copied. What it took itself since is copied here.
   * @throws {Error} and then it has failed */
  async finish(slot: Slot, { compareAll, fileBytes, load, settle }: RebuildEnd): Promise<void> {
    const { roster, joining, followers } = this;
    const { volume } = roster;
    try {
      do {
        await followers.copy(slot);
        await load();
        // What was sent to it before its files were loaded has ended everywhere, and is on the copies' maps.
        await volume.quiesce();
        await volume.resume();
        while (!(await this.#copy(slot, compareAll)));
        await volume.quiesce();
        await settle().finally(() => volume.resume());
      } while (!(await joining.join(slot)));
      slot.rebuilt = false;
      roster.counts.copied(slot, fileBytes);
    } catch (error) {
      const cause = `could not be rebuilt: ${(error as Error).message}`;
      await roster.decisions.run(() => joining.giveUp(slot, cause));
      throw error;
    }
  }

  /** @returns false when the copy that it was made equal to failed on the way */
  async #copy(slot: Slot, compareAll: boolean): Promise<boolean> {
    const { roster, joining } = this;
    const from = joining.source();
    try {
      const { changed, doubtful } = await planRebuild(roster, slot, from, compareAll);
      joining.plan(slot, "what changed since its rebuild began", [...doubtful, ...changed]);
      const differed = await joining.copy(slot, from, doubtful);
      if (differed > 0)
        throw new Error(`${differed} bytes of its snapshots differ from those of ${from.address}`);
      await joining.copy(slot, from, changed);
      return true;
    } catch (error) {
      if (!(error instanceof SourceFailedError)) throw error;
      roster.log.warn({ err: error, replica: slot.address }, "the rebuild goes on from another copy");
      return false;
    }
  }
}
