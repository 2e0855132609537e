/**
 * The member record of this engine, and how it changes: each change takes the next generation and counts once the
 * members hold it durably, and enough of those before it (`quorum.ts`).
 *
 * A witness stores a record before anybody else, from the one that it has: all engines' decisions about its volume come one
 * after the other there. It is a member while there are two copies; one alone needs nobody's word.
 */
import type { Absence, MemberRecord, RecordBasis, ReplicaFacts } from "../proto/control.js";
import { REPLICAS_MAX } from "./limits.js";
import { isLonghornId } from "./longhorn/longhorn-link.js";
import { canChange, type Voters } from "./quorum.js";
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
  /** becomes the witness: since it was asked, all copies have stored a record above what it had; null: there is none any more */
  witness?: Holder | null;
  /** the record's generation is above this one as well */
  above?: number;
  /** replicas that do not become members */
  others?: readonly Holder[];
}

/** Relies on what is recorded. */
export interface RecordWatcher {
  /** by its clock, ms */
  now(): number;
  /** a replica or witness, asked then, has stored the present record */
  stored(replicaId: string, askedAt: number): void;
  /** Copies are about to be asked to store what others may start from. */
  asking(): Promise<void>;
}

interface Tried extends Voters {
  /** the first one that named these */
  generation: number;
}

interface Asked<H extends Holder = Holder> {
  holder: H;
  /** null: it does not answer */
  facts: ReplicaFacts | null;
}

export class RecordKeeper {
  /** generations that replicas are known to have stored as members */
  readonly #held = new Map<string, number>();
  /** Members that may count: of the last record that all of its members have stored, and of those that copies were asked to
   * store since. */
  #open: Tried[] = [];
  #witness: Holder | null = null;
  /** the last generation that all of its members have stored */
  #settled = 0;
  /** who does not know yet that they have */
  #untold: Holder[] = [];
  /** copies may still be read by an engine before this one */
  #readBefore: boolean;
  /** null while nothing is served yet */
  watcher: RecordWatcher | null = null;

  /** @param record the record that this engine starts from; its generation is the highest known one */
  constructor(
    readonly volume: string,
    private record: MemberRecord,
  ) {
    this.#readBefore = record.leased;
  }

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

  /** It takes part in what is decided: a record that may count names it, or one that is on its way. */
  get witness(): Holder | null {
    return this.#witness;
  }

  /** All members have stored that it is one. */
  get witnessCounts(): boolean {
    return this.#open.length === 1 && this.#open[0]?.witnesses.length === 1;
  }

  /** Records were tried, and it is not known who stored them: only what satisfies all of them can be decided. */
  get unsettled(): boolean {
    return this.#open.length > 1;
  }

  /** Every record that may count names it; without any other one, others may have gone on. */
  isNamed({ replicaId }: Pick<Holder, "replicaId">): boolean {
    return isLonghornId(replicaId) || this.#open.every(({ members }) => members.includes(replicaId));
  }

  /** Whom others may start from, each with what they would have to ask. */
  get voters(): readonly Voters[] {
    return this.#open;
  }

  /** The present record says that copies without it may still be read. */
  get leased(): boolean {
    return this.record.leased;
  }

  /** No engine before this one is answered any more; counts with the next change. */
  endLeases(): void {
    this.#readBefore = false;
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

  /** "" while no revert is under way. */
  get reverting(): string {
    return this.record.reverting;
  }

  /** Members are about to be reverted, one after the other, or are known to be alike again; counts with the next change. What was
   * written does not tell what those lack that are, or are left out, as long as it is named.
   * @param reverting when their new heads are created, RFC 3339; "": none is */
  nameRevert(reverting: string): void {
    this.record = { ...this.record, reverting };
  }

  /** A replica is not waited for any more; counts with the next change. */
  forget(replicaId: string): void {
    const members = this.record.members.filter((id) => id !== replicaId);
    const absent = this.record.absent.filter((absence) => absence.replicaId !== replicaId);
    this.record = { ...this.record, members, absent };
  }

  /** Takes the volume over: all of `members`, the witness, and of `fenced`, which are none, must record it, or nothing is taken.
   * No member is left out here: only an engine that all members have accepted may decide to go on without one.
   * @throws {FencedError} a member has stored something else than was decided from: ask anew
   * @throws {Error} what a member answered */
  async takeOver(members: Holder[], fenced: Holder[] = [], witness: Holder | null = null): Promise<void> {
    this.#next(members, {}, witness, this.record.heldByAll);
    // Those that are none first: a member that has stored this record looks as if it had been taken over already.
    for (const holders of [witness === null ? [] : [witness], fenced, members]) {
      const { failures } = await this.#store(holders);
      if (failures[0] !== undefined) throw failures[0].error;
    }
    this.#settle(members, witness);
  }

  /** Makes `holders` the members. One that does not record this is left out, as long as a readable one did. So is the witness,
   * as long as it is not needed.
   * @returns null when it is not known that enough recorded it: nothing has been decided, and it may be tried again
   * @throws {FencedError} another engine took over */
  async advance<H extends Holder>(holders: H[], change: Change = {}): Promise<Advance<H> | null> {
    const failures: Advance<H>["failures"] = [];
    const others = [...(change.others ?? [])];
    let witness = change.witness === undefined ? this.#witness : change.witness;
    await this.#forgetLost([...holders, ...others]);
    for (let members = this.#without(holders, failures); ;) {
      if (!members.some(({ readable }) => readable)) return null;
      this.#next(members, change, witness);
      // What the witness is told counts against those that are left out: it is not told in vain.
      const unable = this.#hadWitness() && this.#leavesOut(members) ? await this.#unable(members) : [];
      if (unable.length > 0) {
        const able = members.filter((member) => !unable.some(({ holder }) => holder === member));
        const declining = this.#declining(unable);
        if (!this.#suffices([...able, ...declining], witness)) return null;
        const error = new Error("it did not answer, or is not what it was");
        failures.push(...unable.map(({ holder }) => ({ holder, error })));
        others.push(...declining);
        members = able;
        continue;
      }
      // Nor where too few could store this, of those that stay and those that go.
      if (!(await this.#mayCount(members, others, witness))) return null;
      if (witness !== null && (await this.#witnessed(witness))) {
        this.#witness = witness;
      } else if (witness !== null) {
        witness = null;
        this.#next(members, change, witness);
      }
      const fenced = this.#suffices(members, witness) ? [] : await this.#fence(members, others);
      // Nobody stores what cannot come to count: who was cut off with one copy could not be told from who went on with it.
      if (!this.#suffices([...members, ...fenced], witness)) return null;
      // Before copies go on without a witness, all of them are there. Without one, each may go on alone.
      if (witness === null && this.#hadWitness() && !(await this.#allAnswer(members))) return null;
      this.#noteAsked();
      await this.watcher?.asking();
      const round = await this.#store(members);
      if (!round.survivors.some(({ readable }) => readable)) return null;
      if (!this.#suffices([...round.survivors, ...fenced], witness)) {
        const declining = this.#declining(await this.#ask(round.failures.map(({ holder }) => holder)));
        if (declining.length === 0) return null;
        others.push(...declining);
      }
      failures.push(...round.failures);
      if (round.failures.length === 0) {
        this.#settle(round.survivors, witness);
        return { survivors: round.survivors, failures };
      }
      members = round.survivors;
    }
  }

  /** Lets members and witness know that all have stored the present record, as the next one would: who goes back to before it is known by it
   * from now on. Nothing is decided by that, and it may fail.
   * @returns whether nobody is left to be told */
  async tell(): Promise<boolean> {
    if (this.generation !== this.#settled) return false;
    const told = { ...this.record, heldByAll: this.#settled };
    this.record = told;
    const asked = this.#untold;
    const answers = await Promise.allSettled(
      asked.map(({ link, replicaId, stored }) => link.record(this.volume, replicaId, told, stored)),
    );
    const left = asked.filter((_, index) => answers[index]?.status === "rejected");
    if (this.#untold === asked) this.#untold = left;
    return this.#untold.length === 0;
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

  /** @param heldBefore what those that are left out have stored at least, as far as this engine has not seen it itself */
  #next(
    holders: Holder[],
    { engineState = this.engineState, stillAbsent = [], above = 0 }: Change,
    witness: Holder | null,
    heldBefore = 0,
  ): void {
    const before = this.record;
    const generation = Math.max(before.generation, above) + 1;
    const members = holders.map(({ replicaId }) => replicaId);
    const witnesses = witness !== null && ofOurs(members).length > 1 ? [witness.replicaId] : [];
    const waited = before.absent.filter(
      ({ replicaId }) => stillAbsent.includes(replicaId) || !members.includes(replicaId),
    );
    const left = before.members.filter(
      (id) =>
        !members.includes(id) &&
        !before.witnesses.includes(id) &&
        !waited.some((absence) => absence.replicaId === id),
    );
    const absent = left.map((replicaId) => ({
      replicaId,
      heldAtLeast: this.#held.get(replicaId) ?? heldBefore,
      heldAtMost: before.generation,
      excludedAt: generation,
    }));
    for (const replicaId of stillAbsent) {
      if (waited.some((absence) => absence.replicaId === replicaId)) continue;
      absent.push({ replicaId, heldAtLeast: 0, heldAtMost: 0, excludedAt: generation });
    }
    // Replicas refuse a longer list; who is forgotten here is kept as it is if it ever comes back.
    const all = [...waited, ...absent].slice(-REPLICAS_MAX);
    const recorded = [...holders, ...(witnesses.length > 0 && witness !== null ? [witness] : [])].filter(
      ({ replicaId }) => !isLonghornId(replicaId) && !stillAbsent.includes(replicaId),
    );
    this.record = {
      ...before,
      generation,
      members: [...members, ...witnesses],
      engineState,
      absent: before.reverting === "" ? all : all.map((absence) => ({ ...absence, excludedAt: 0 })),
      witnesses,
      // Until it is known that this is stored, whoever is left out may be read here as well.
      leased: this.#readBefore || copiesOf(this.#open).some((id) => !members.includes(id)),
      heldByAll: Math.min(generation - 1, ...recorded.map(({ stored }) => stored.generation)),
    };
  }

  /** Whom a record was tried without is not gone on with where there is a witness: what it is told then, and what the others
   * have stored, would both be enough to start from.
   * @param failures takes in who is left out */
  #without<H extends Holder>(holders: H[], failures: Advance<H>["failures"]): H[] {
    if (!this.unsettled || !this.#hadWitness()) return holders;
    const error = new Error("others may have recorded that it failed");
    failures.push(...holders.filter((holder) => !this.isNamed(holder)).map((holder) => ({ holder, error })));
    return holders.filter((holder) => this.isNamed(holder));
  }

  /** The present record may count from now on. */
  #noteAsked(): void {
    const tried = triedAs(this.record);
    if (!this.#open.some((open) => isSame(open, tried))) this.#open.push(tried);
  }

  /** What all those that it names have not stored, and will not, since they have lost writes or went back meanwhile, never comes to count. */
  async #forgetLost(holders: readonly Holder[]): Promise<void> {
    for (const tried of this.#open.slice(1)) {
      const ids = copiesOf([tried]);
      const named = holders.filter(({ replicaId }) => ids.includes(replicaId));
      if (named.length < ids.length) continue;
      const isForgone = (await this.#ask(named)).every(({ holder, facts }) => {
        if (facts === null) return false;
        if (hasGoneBack(facts, holder)) return true;
        const { record } = facts;
        const isOurs = record?.engineId === this.engineId;
        return hasLost(facts, holder) && isOurs && record.generation < tried.generation;
      });
      if (isForgone) this.#open = this.#open.filter((open) => open !== tried);
    }
  }

  /** Who stores nothing that names it. That it is no member any more it does store: it is told so, where it is needed. */
  #declining(answers: readonly Asked[]): Holder[] {
    const declines = ({ holder, facts }: Asked) =>
      facts !== null &&
      !hasGoneBack(facts, holder) &&
      facts.record?.engineId === this.engineId &&
      (facts.unfit !== "" || hasLost(facts, holder));
    return answers.filter(declines).map(({ holder }) => holder);
  }

  /** Whether it is enough for everything that may count if these store the present record. */
  #suffices(holders: readonly Holder[], witness: Holder | null): boolean {
    const stored = (id: string) =>
      id === witness?.replicaId || holders.some(({ replicaId }) => replicaId === id);
    return this.#open.every((voters) => canChange(voters, stored));
  }

  /** Whether the present record can come to count, if everybody stores it who is there: of those that it excludes, who are needed are asked.
   * @throws {FencedError} another engine has taken one of them */
  async #mayCount(
    members: readonly Holder[],
    others: readonly Holder[],
    witness: Holder | null,
  ): Promise<boolean> {
    if (this.#suffices(members, witness)) return true;
    const answers = await this.#ask(this.#excluded(members, others));
    const present = answers.filter((asked) => this.#present(asked) !== null);
    return this.#suffices([...members, ...present.map(({ holder }) => holder)], witness);
  }

  /** Who may have stored that it is gone on with, and is not to be any more. */
  #excluded(members: readonly Holder[], others: readonly Holder[]): Holder[] {
    const named = ({ replicaId }: Holder) => this.#open.some((open) => open.members.includes(replicaId));
    return others.filter((holder) => named(holder) && !members.includes(holder));
  }

  /** Whether the witness has stored the present record.
   * @throws {FencedError} another engine has taken it, and it is relied on */
  async #witnessed(witness: Holder): Promise<boolean> {
    try {
      return (await this.#store([witness])).failures.length === 0;
    } catch (error) {
      if (error instanceof FencedError && !this.#hadWitness()) return false;
      throw error;
    }
  }

  /** A copy that may count is none of `members`. What the witness, or anybody else, is told then counts against it. */
  #leavesOut(members: readonly Holder[]): boolean {
    return copiesOf(this.#open).some((id) => !members.some(({ replicaId }) => replicaId === id));
  }

  /** A record that may count names one. */
  #hadWitness(): boolean {
    return this.#open.some(({ witnesses }) => witnesses.length > 0);
  }

  /** Those excluded are told of the present record, of which they are no members: nobody starts from them without asking those that are.
   * @returns who has stored that */
  async #fence(members: readonly Holder[], others: readonly Holder[]): Promise<Holder[]> {
    const excluded = this.#excluded(members, others);
    // Once they have stored that, they wait for the members: those have to be there.
    if (excluded.length === 0 || !(await this.#allAnswer(members))) return [];
    this.#noteAsked();
    await this.watcher?.asking();
    return (await this.#store(excluded)).survivors;
  }

  /** Whether all of them are there, and can store what is decided: the others would be left with a record that never comes to count.
   * @throws {FencedError} another engine has taken one of them */
  async #allAnswer(holders: readonly Holder[]): Promise<boolean> {
    return (await this.#unable(holders)).length === 0;
  }

  /** @returns who is not there, or is not any more what it was
   * @throws {FencedError} another engine has taken one of them */
  async #unable<H extends Holder>(holders: readonly H[]): Promise<Asked<H>[]> {
    const answers = await this.#ask(holders);
    return answers.filter((asked) => {
      const { holder } = asked;
      // They store no record: nothing hinders them.
      if (isLonghornId(holder.replicaId)) return false;
      const present = this.#present(asked);
      return present === null || present.unfit !== "" || hasLost(present, holder);
    });
  }

  /** @returns what it says; null: it is not there, or is not any more what it was
   * @throws {FencedError} another engine has taken it */
  #present({ holder, facts }: Asked): ReplicaFacts | null {
    if (facts === null || hasGoneBack(facts, holder)) return null;
    const { replicaId, record } = facts;
    if (record !== null && record.engineId !== this.engineId)
      throw new FencedError(`replica ${replicaId}: engine ${record.engineId} is recorded`);
    return facts;
  }

  #ask<H extends Holder>(holders: readonly H[]): Promise<Asked<H>[]> {
    const ask = async (holder: H): Promise<Asked<H>> => {
      const facts = await holder.link.identifyFor(this.volume).catch(() => null);
      return { holder, facts };
    };
    return Promise.all(holders.map(ask));
  }

  /** All members of the present record have stored it. */
  #settle(members: readonly Holder[], witness: Holder | null): void {
    this.#settled = this.generation;
    const ours = members.filter(({ replicaId }) => !isLonghornId(replicaId));
    const all = witness === null ? ours : [...ours, witness];
    // Of the only one nobody else would know.
    this.#untold = all.length > 1 ? all : [];
    this.#open = [triedAs(this.record)];
    this.#witness = this.record.witnesses.length > 0 ? witness : null;
  }

  async #store<H extends Holder>(members: H[]): Promise<Advance<H>> {
    const { record } = this;
    const result: Advance<H> = { survivors: [], failures: [] };
    await Promise.all(
      members.map(async (holder) => {
        const { replicaId } = holder;
        const askedAt = this.watcher?.now() ?? 0;
        try {
          await holder.link.record(this.volume, replicaId, record, holder.stored);
          holder.stored = { ...holder.stored, generation: record.generation, engineId: record.engineId };
          this.watcher?.stored(replicaId, askedAt);
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

/** Longhorn's replicas keep no record. */
function ofOurs(ids: readonly string[]): string[] {
  return ids.filter((id) => !isLonghornId(id));
}

/** That may be read. */
export function copiesOf(open: readonly Voters[]): string[] {
  return open.flatMap(({ members, witnesses }) => members.filter((id) => !witnesses.includes(id)));
}

function triedAs({ members, witnesses, generation }: MemberRecord): Tried {
  return { members: ofOurs(members), witnesses, generation };
}

/** It stores nothing that names it and follows from what is known of it. */
function hasLost({ lostWrites, opening }: ReplicaFacts, { stored }: Holder): boolean {
  return lostWrites && opening !== stored.opening;
}

/** It is another one, or what it was before it stored what is known of it: it stores nothing that follows from that. */
function hasGoneBack({ replicaId, record }: ReplicaFacts, holder: Holder): boolean {
  return replicaId !== holder.replicaId || (record?.generation ?? 0) < holder.stored.generation;
}

function isSame(a: Voters, b: Voters): boolean {
  const has = (ids: readonly string[], others: readonly string[]) => ids.every((id) => others.includes(id));
  return a.members.length === b.members.length && has(a.members, b.members) && has(a.witnesses, b.witnesses);
}
