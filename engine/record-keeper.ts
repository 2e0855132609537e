/**
 * The member record of this engine, and how it changes: each change takes the next generation and counts once the
 * members hold it durably.
 */
import type { MemberRecord, RecordBasis } from "../proto/control.js";
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

export interface Advance<H extends Holder> {
  survivors: H[];
  failures: { holder: H; error: Error }[];
}

export class RecordKeeper {
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

  /** Takes the volume over: all of `members` must record it, or nothing is taken.
   * No member is left out here: only an engine that all members have accepted may decide to go on without one.
   * @throws {FencedError} a member has stored something else than was decided from: ask anew
   * @throws {Error} what a member answered */
  async takeOver(members: Holder[]): Promise<void> {
    this.#next(members);
    const { failures } = await this.#store(members);
    if (failures[0] !== undefined) throw failures[0].error;
  }

  /** Makes `holders` the members. One that does not record this is left out, as long as a readable one did.
   * @returns null when no readable holder recorded it: nothing has been decided, and it may be tried again
   * @throws {FencedError} another engine took over */
  async advance<H extends Holder>(holders: H[], engineState = this.engineState): Promise<Advance<H> | null> {
    const failures: Advance<H>["failures"] = [];
    for (let members = holders; ;) {
      this.#next(members, engineState);
      const round = await this.#store(members);
      if (!round.survivors.some(({ readable }) => readable)) return null;
      failures.push(...round.failures);
      if (round.failures.length === 0) return { survivors: round.survivors, failures };
      members = round.survivors;
    }
  }

  #next(members: Holder[], engineState = this.engineState): void {
    const generation = this.record.generation + 1;
    this.record = {
      ...this.record,
      generation,
      members: members.map(({ replicaId }) => replicaId),
      engineState,
    };
  }

  async #store<H extends Holder>(members: H[]): Promise<Advance<H>> {
    const { record } = this;
    const result: Advance<H> = { survivors: [], failures: [] };
    await Promise.all(
      members.map(async (holder) => {
        try {
          await holder.link.record(this.volume, holder.replicaId, record, holder.stored);
          holder.stored = { generation: record.generation, engineId: record.engineId };
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
