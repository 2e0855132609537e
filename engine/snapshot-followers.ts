/**
 * Replicas that are written, but no copies yet, when a snapshot is taken: they take it at the same moment, so that what is
 * written afterwards is in the same layer everywhere. What theirs holds is another matter: what was not made equal yet is
 * wrong in it, and a snapshot cannot be written to. So its file is copied from a copy before they become one.
 */
import type { Dropping, Failing } from "./dropping.js";
import type { Roster } from "./roster.js";
import { isMember, type Slot } from "./slot.js";

/** How files of snapshots get to a replica. */
export interface SnapshotCopier {
  /** Makes it durably nobody's copy, whatever is broken off from here on.
   * @param address of its control port */
  begin: (address: string) => Promise<void>;
  /** Copies the files of snapshots from a copy to it, and lets it load them.
   * @param names bare, a parent before its children
   * @returns bytes of the files */
  copy: (address: string, names: readonly string[]) => Promise<number>;
  /** It has become a copy. */
  end: (address: string) => Promise<void>;
}

export class SnapshotFollowers {
  /** @param copier null: there is nobody who could copy files, and so no snapshot of such a replica */
  constructor(
    private readonly roster: Roster,
    private readonly dropping: Dropping,
    private readonly copier: SnapshotCopier | null,
  ) {}

  /** One that a record may name is a copy in this respect: it holds everything. */
  present(): Slot[] {
    return this.roster.slots.filter(({ state, joining }) => state.mode === "RESYNC" && !joining);
  }

  /** Before one that is resynced takes its first snapshot: it cannot come back as what it was, and the copies' maps begin
   * here, since what changed before is going to be in the file. One that is rebuilt is so from the beginning.
   * @throws {Error} when that cannot be recorded */
  async expect(slots: readonly Slot[]): Promise<void> {
    const { roster, dropping, copier } = this;
    for (const slot of slots) {
      if (slot.rebuilt) continue;
      if (copier === null) throw new Error(`replica ${slot.address} is being resynced: try again later`);
      const refused = await copier.begin(slot.address).then(
        () => null,
        (error: unknown) => failed(slot, error),
      );
      await roster.decisions.run(async () => {
        const isPresent = this.present().includes(slot);
        // It has become a copy meanwhile: all members store that it holds everything, and the mark goes.
        if (!isPresent && isMember(slot) && refused === null) await this.#unmark(slot, copier);
        if (!isPresent) return;
        if (refused !== null) {
          await dropping.drop([refused]);
          return;
        }
        await dropping.expect(slot.replicaId);
        slot.rebuilt = true;
      });
    }
  }

  async #unmark(slot: Slot, copier: SnapshotCopier): Promise<void> {
    await this.dropping.renew();
    await copier.end(slot.address).catch(this.roster.onError);
  }

  /** @param expected whether any may take part
   * @returns whether there are only such as may */
  areExpected(expected: boolean): boolean {
    return this.present().every(({ rebuilt }) => expected && rebuilt);
  }

  /** @returns who has only to commit */
  async prepare(prepare: (slot: Slot) => Promise<void>): Promise<Slot[]> {
    const prepared: Slot[] = [];
    for (const slot of this.present()) {
      try {
        await prepare(slot);
        prepared.push(slot);
      } catch (error) {
        await this.#letGo(slot, error);
      }
    }
    return prepared;
  }

  /** To be called when a copy has taken the snapshot, and no I/O is under way.
   * @returns who could not take it */
  async take(name: string, make: (slot: Slot) => Promise<void>): Promise<Failing[]> {
    const failing: Failing[] = [];
    await Promise.all(
      this.present().map(async (slot) => {
        try {
          await make(slot);
          slot.doubtful.push(name);
        } catch (error) {
          failing.push(failed(slot, error));
        }
      }),
    );
    return failing;
  }

  async #letGo(slot: Slot, error: unknown): Promise<void> {
    await this.roster.decisions.run(() => this.dropping.drop([failed(slot, error)]));
  }

  /** Gives a replica the contents of the snapshots that it took.
   * @throws {Error} */
  async copy(slot: Slot): Promise<void> {
    const names = [...slot.doubtful];
    if (names.length === 0) return;
    if (this.copier === null) throw new Error("nobody can copy its snapshots");
    const { copier, roster } = this;
    const bytes = await roster.filePacer.during(() => copier.copy(slot.address, names));
    roster.counts.copied(slot, bytes);
    slot.doubtful.splice(0, names.length);
  }

  /** It has become a copy. */
  async end(slot: Slot): Promise<void> {
    slot.rebuilt = false;
    await this.copier?.end(slot.address);
  }
}

function failed(slot: Slot, error: unknown): Failing {
  return { slot, cause: `could not take a snapshot: ${(error as Error).message}` };
}
