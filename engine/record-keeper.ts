/**
 * The member record of this engine, and how it changes: each change takes the next generation and counts once the
 * members hold it durably.
 */
import type { Absence, MemberRecord, RecordBasis, ReplicaFacts } from "../proto/control.js";
import { REPLICAS_MAX } from "./limits.js";
import { FencedError, type ReplicaLink } from "./replica-link.js";

/** A replica that may hold the record. */
export interface Holder {
  replicaId: string;
  link: ReplicaLink;
  /** what it is known to have stored */
  stored: RecordBasis;
  /** whether the volume could live from it alone */
  readable: boolean;
}

export const NOTHING_STORED: RecordBasis = { generation: 0, engineId: "", opening: "" };

/** What follows from `facts` is decided from this. */
export function basisOf({ record, opening }: Pick<ReplicaFacts, "record" | "opening">): RecordBasis {
  return { generation: record?.generation ?? 0, engineId: record?.engineId ?? "", opening };
}

export interface Advance<H extends Holder> {
  survivors: H[];
  failures: { holder: H; error: Error }[];
}

export interface Change {
  /** new state of the engine */
  engineState?: Uint8Array;
  /** members go on keeping what these replicas missed, although they become some of them: not all may store the record */
  stillAbsent?: readonly string[];
}

export class RecordKeeper {
  /** generations that replicas are known to have stored as members */
  readonly #held = new Map<string, number>();

  /** @param record the record that this engine starts from; its generation is the highest known one */
  constructor(
    readonly volume: string,
    private record: MemberRecord,
  ) {}

  get engineId(): string {
    return this.record.engineId;
  }

  /** The highest generation that was tried. */
  get generation(): number {
    return this.record.generation;
  }

  get engineState(): Uint8Array {
    return this.record.engineState;
  }

  /** Under which generations a replica that is waited for can have been a member last; null for any other. */
  absenceOf(replicaId: string): Absence | null {
    return this.record.absent.find((absence) => absence.replicaId === replicaId) ?? null;
  }

  /** Who stores the record has counted at least so many writes; counts with the next change. */
  raiseRevisions(revision: number): void {
    const revisionAtLeast = Math.max(this.record.revisionAtLeast, revision);
    this.record = { ...this.record, revisionAtLeast };
  }

  /** A replica is not waited for any more; counts with the next change. */
  forget(replicaId: string): void {
    const members = this.record.members.filter((id) => id !== replicaId);
    const absent = this.record.absent.filter((absence) => absence.replicaId !== replicaId);
    this.record = { ...this.record, members, absent };
  }

  /** Nor is any other; counts with the next change.
   * @returns whether any was */
  forgetAbsent(): boolean {
    const any = this.record.absent.length > 0;
    this.record = { ...this.record, absent: [] };
    return any;
  }

  /** Takes the volume over: all of `members`, and of `fenced`, which are none, must record it, or nothing is taken.
   * No member is left out here: only an engine that all members have accepted may decide to go on without one.
   * @throws {FencedError} a member has stored something else than was decided from: ask anew
   * @throws {Error} what a member answered */
  async takeOver(members: Holder[], fenced: Holder[] = []): Promise<void> {
    this.#next(members, {});
    // Those first: a member that has stored this record looks as if it had been taken over already.
    for (const holders of [fenced, members]) {
      const { failures } = await this.#store(holders);
      if (failures[0] !== undefined) throw failures[0].error;
    }
  }

  /** Makes `holders` the members. One that does not record this is left out, as long as a readable one did.
   * @returns null when no readable holder recorded it: nothing has been decided, and it may be tried again
   * @throws {FencedError} another engine took over */
  async advance<H extends Holder>(holders: H[], change: Change = {}): Promise<Advance<H> | null> {
    const failures: Advance<H>["failures"] = [];
    for (let members = holders; ;) {
      this.#next(members, change);
      const round = await this.#store(members);
      if (!round.survivors.some(({ readable }) => readable)) return null;
      failures.push(...round.failures);
      if (round.failures.length === 0) return { survivors: round.survivors, failures };
      members = round.survivors;
    }
  }

  /** Stores the present record at a replica that is no member of it: other engines are fenced there from now on, and it is
   * nobody's copy before a later record names it.
   * @throws {FencedError} */
  async admit(holder: Holder): Promise<void> {
    const { record } = this;
    if (record.members.includes(holder.replicaId)) throw new Error(`${holder.replicaId} is a member already`);
    await holder.link.record(this.volume, holder.replicaId, record, holder.stored);
    holder.stored = { ...holder.stored, generation: record.generation, engineId: record.engineId };
  }

  #next(holders: Holder[], { engineState = this.engineState, stillAbsent = [] }: Change): void {
    const before = this.record;
    const generation = before.generation + 1;
    const members = holders.map(({ replicaId }) => replicaId);
    const waited = before.absent.filter(
      ({ replicaId }) => stillAbsent.includes(replicaId) || !members.includes(replicaId),
    );
    const left = before.members.filter(
      (id) => !members.includes(id) && !waited.some((absence) => absence.replicaId === id),
    );
    const absent = left.map((replicaId) => ({
      replicaId,
      heldAtLeast: this.#held.get(replicaId) ?? 0,
      heldAtMost: before.generation,
      excludedAt: generation,
    }));
    for (const replicaId of stillAbsent) {
      if (waited.some((absence) => absence.replicaId === replicaId)) continue;
      absent.push({ replicaId, heldAtLeast: 0, heldAtMost: 0, excludedAt: generation });
    }
    // Replicas refuse a longer list; who is forgotten here is compared as a whole if it ever comes back.
    this.record = {
      ...before,
      generation,
      members,
      engineState,
      absent: [...waited, ...absent].slice(-REPLICAS_MAX),
    };
  }

  async #store<H extends Holder>(members: H[]): Promise<Advance<H>> {
    const { record } = this;
    const result: Advance<H> = { survivors: [], failures: [] };
    await Promise.all(
      members.map(async (holder) => {
        try {
          await holder.link.record(this.volume, holder.replicaId, record, holder.stored);
          holder.stored = { ...holder.stored, generation: record.generation, engineId: record.engineId };
          const { replicaId } = holder;
          const waited = record.absent.some((absence) => absence.replicaId === replicaId);
          if (record.members.includes(replicaId) && !waited) this.#held.set(replicaId, record.generation);
          result.survivors.push(holder);
        } catch (error) {
          result.failures.push({ holder, error: error as Error });
        }
      }),
    );
    const fenced = result.failures.find(({ error }) => error instanceof FencedError);
    if (fenced !== undefined) throw fenced.error;
    return result;
  }
}
