/** Going on without replicas: recorded durably on every survivor before anything that waits for them is let go. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ReplicaFacts } from "../proto/control.js";
import { AGREEMENT_RETRY_MS } from "./limits.js";
import { isLonghorn } from "./longhorn/longhorn-link.js";
import { markFailed } from "./longhorn/mark-failed.js";
import type { Change, Holder } from "./record-keeper.js";
import type { Roster } from "./roster.js";
import { isCopy, isMember, type Slot } from "./slot.js";
import { unlikeChain } from "./unlike-chain.js";

export interface Failing {
  slot: Slot;
  cause: string;
}

/** It has told what it holds since the engine took over. */
type Started = Slot & { facts: ReplicaFacts };

export class Dropping {
  #settling = false;
  #telling = false;

  constructor(private readonly roster: Roster) {}

  /** Records on all survivors that `failing` failed, durably, and only then lets their operations go.
   * @returns false when no survivor could record it: then nothing has been decided */
  async drop(failing: Failing[]): Promise<boolean> {
    const { roster } = this;
    // What no record names can go without one.
    if (!failing.some(({ slot }) => isMember(slot))) {
      await this.#letGo(failing);
      return true;
    }
    const survivors = () =>
      roster.members().filter((slot) => !failing.some((failed) => failed.slot === slot));
    // Where no copy survives nothing is decided, and one that was marked all the same would be left out at the next start.
    if (survivors().some(isCopy) && !(await this.#markLonghorn(failing))) return false;
    const failures = await this.#record(survivors());
    if (failures === null) {
      const addresses = failing.map(({ slot }) => slot.address);
      roster.log.warn({ failing: addresses }, "no survivor could record the failure");
      return false;
    }
    await this.#letGo([...failing, ...failures]);
    return true;
  }

  /** At a start: where a snapshot was being taken, or a revert made, when everything ended. Nobody was told of it, and whichever
   * chain `from` has is the volume's; the others get it as any replica that was away, or have to be added again after a revert.
   * @throws {Error} that could not be recorded */
  async dropUnlike(from: Started, members: readonly Started[]): Promise<void> {
    const { reverting } = this.roster.keeper;
    const failing = members.flatMap((slot) => {
      // Those of Longhorn's are as Longhorn leaves them.
      const why = [from, slot].some(({ link }) => isLonghorn(link))
        ? null
        : unlikeChain(from.facts, slot.facts, reverting);
      return why === null ? [] : [{ slot, cause: `${why} ${from.address}` }];
    });
    if (failing.length > 0 && (!(await this.drop(failing)) || from.state.mode === "ERR"))
      throw new Error(`it was not recorded that the chain differs from that of ${from.address}`);
    await this.endRevert();
  }

  /** Those of Longhorn's are marked as Longhorn marks what is no copy, if they can be reached. Where that is the only thing
   * that a next start can know it from, nothing is decided before it is done.
   * @returns whether it may be gone on */
  async #markLonghorn(failing: Failing[]): Promise<boolean> {
    const { roster } = this;
    const slots = failing.map(({ slot }) => slot).filter(({ link }) => isLonghorn(link));
    const marked = await Promise.all(slots.map((slot) => markFailed(slot, roster.log)));
    if (!slots.some((slot) => roster.keepsRecord(slot) && slot.facts?.revision === 0)) return true;
    return slots.every(({ announced }, index) => announced || marked[index] === true);
  }

  /** Stores the engine's own small state durably on all members; one that does not take it is dropped.
   * @throws when no member takes it */
  async saveEngineState(bytes: Uint8Array): Promise<void> {
    const failures = await this.#record(this.roster.members(), { engineState: bytes });
    if (failures === null) throw new Error("no replica stored the engine's state");
    await this.#letGo(failures);
  }

  /** Lets all members keep what a replica, which is none of them, misses from now on.
   * @throws {Error} when nobody could record that */
  async expect(replicaId: string): Promise<void> {
    this.roster.keeper.forget(replicaId);
    const failures = await this.#record(this.roster.members(), { stillAbsent: [replicaId] });
    if (failures === null) throw new Error("no replica could record it");
    await this.#letGo(failures);
  }

  /** All members store that they are about to be reverted, or are dropped: from now on a start tells those that have been from those
   * that have not.
   * @param created of the heads that this makes
   * @throws {Error} nobody could record that: nothing may be reverted */
  async beginRevert(created: string): Promise<void> {
    const { keeper } = this.roster;
    keeper.nameRevert(created);
    if (await this.renew()) return;
    keeper.nameRevert("");
    throw new Error("no replica recorded that the volume is being reverted: try again later");
  }

  /** All members are known to be alike. */
  async endRevert(): Promise<void> {
    const { keeper } = this.roster;
    if (keeper.reverting === "") return;
    keeper.nameRevert("");
    await this.renew();
  }

  /** Makes a replica that holds everything durably a member.
   * @param witness becomes one after it, if it is there; null: nobody does
   * @returns false when that is not known to be recorded: it may be, so that it has to be tried again, or dropped */
  async join(slot: Slot, witness: Holder | null): Promise<boolean> {
    slot.joining = true;
    const above = witness?.stored.generation ?? 0;
    const failures = await this.#record(this.roster.members(), { above }, slot);
    if (failures === null) return false;
    await this.#letGo(failures);
    if (failures.some((failed) => failed.slot === slot)) return true;
    slot.joining = false;
    this.roster.apply(slot, { type: "joined" });
    await this.roster.volume.setMode(slot.index, "RW");
    // Not in the record before: as long as one copy may go on alone, nobody else and the witness may go on without it.
    const change = witness === null || this.roster.keeper.unsettled ? {} : { witness };
    await this.#letGo((await this.#record(this.roster.members(), change)) ?? []);
    return true;
  }

  /** Takes a witness in, or goes on without the present one. What a new one has stored is nobody's who took over from this engine if
   * all copies store a later record of this one now: it may be that of one that was cut off together with the witness, and
   * counted on there. */
  async changeWitness(witness: Holder | null): Promise<void> {
    const { keeper, log } = this.roster;
    if (witness !== null && (!(await this.renew(witness.stored.generation)) || keeper.unsettled)) return;
    const before = keeper.witness;
    await this.#letGo((await this.#record(this.roster.members(), { witness })) ?? []);
    const { generation, witness: now } = keeper;
    if (now !== before) log.info({ generation, witness: now?.replicaId ?? null }, "witness changed");
  }

  /** Records the members as they are: when what is recorded beside them has changed, or to know who still answers. What was asked of a
   * replica before it has stored this, it does not do any more.
   * @param above what the record's generation is to be above of, too
   * @returns false when nobody stored it who could stand alone */
  async renew(above = 0): Promise<boolean> {
    const failures = await this.#record(this.roster.members(), { above });
    await this.#letGo(failures ?? []);
    return failures !== null;
  }

  /** Who stored a record that did not come to count could be started from alone: until all have stored another one, nothing
   * is decided without them. One that says that copies may still be read elsewhere costs the next start a wait. And a member whose
   * answer was lost refuses what this engine asks by the record before it. */
  settleLater(): void {
    const { roster } = this;
    this.#tellLater();
    const { keeper } = roster;
    const isKnown = () => roster.members().every(({ stored }) => stored.generation === keeper.generation);
    const isDue = () => keeper.unsettled || keeper.leased || !isKnown();
    if (this.#settling || !isDue()) return;
    this.#settling = true;
    roster.later(async () => {
      this.#settling = false;
      if (!isDue()) return;
      if (roster.someAway()) this.settleLater();
      else await this.renew();
    }, AGREEMENT_RETRY_MS);
  }

  /** Not as a decision: nobody waits for it. */
  #tellLater(): void {
    const { keeper, signal, onError } = this.roster;
    if (this.#telling) return;
    this.#telling = true;
    const isOver = () => signal.aborted || this.roster.end !== null;
    const tell = async (): Promise<void> => {
      do await sleep(AGREEMENT_RETRY_MS, undefined, { signal }).catch(() => undefined);
      while (!isOver() && !(await keeper.tell()));
    };
    tell()
      .catch(onError)
      .finally(() => (this.#telling = false));
  }

  async #letGo(failed: Failing[]): Promise<void> {
    for (const { slot, cause } of failed) {
      this.roster.apply(slot, { type: "failed", cause });
      slot.silent = null;
      slot.joining = false;
      await this.roster.volume.setMode(slot.index, "OFF");
    }
    await this.roster.lease.renew();
    this.roster.publish();
  }

  /** @returns who did not record it; null when nobody did who could stand alone */
  async #record(
    members: Slot[],
    change: Change = {},
    joining: Slot | null = null,
  ): Promise<Failing[] | null> {
    for (const slot of members) slot.readable = isCopy(slot) && this.roster.keepsRecord(slot, joining);
    // The others keep what those that join have missed until it is known that all have stored a record that names them.
    const stillAbsent = members.filter((slot) => slot.joining).map(({ replicaId }) => replicaId);
    stillAbsent.push(...(change.stillAbsent ?? []));
    const others = this.roster.slots.filter((slot) => !members.includes(slot) && !isLonghorn(slot.link));
    const advance = await this.roster.keeper.advance(members, { ...change, stillAbsent, others });
    this.settleLater();
    if (advance === null) return null;
    return advance.failures.map(({ holder, error }) => ({
      slot: holder,
      cause: `did not record: ${error.message}`,
    }));
  }
}
