/** Looks after the witness: it becomes a member while there are two copies, and is none any more when it does not answer, so
 * that a copy that fails later can be gone on without. Which one it is may change at any time. */
import type { ReplicaFacts } from "../proto/control.js";
import type { Dropping } from "./dropping.js";
import { WITNESS_CALM_POLL_MS, WITNESS_GRACE_MS, WITNESS_POLL_MS } from "./limits.js";
import { isLonghorn } from "./longhorn/longhorn-link.js";
import { Pause } from "./pause.js";
import { basisOf, type Holder } from "./record-keeper.js";
import type { ReplicaLink } from "./replica-link.js";
import { judgeReturn } from "./return-verdict.js";
import type { Roster } from "./roster.js";
import { witnessLink } from "./voters-link.js";

export interface WitnessView {
  address: string;
  /** "" while it has never answered */
  replicaId: string;
  member: boolean;
  /** why it is none */
  cause: string;
}

const NOT_ASKED = "not asked yet";
const NOT_CALM = "a copy is away";
/** Beside copies, as voters are, the next machine that is lost would take it along, and hold up what one copy could go on with. */
const BARE = "one of its voters is away: with another machine it would be lost";

export class WitnessWatch {
  #replicaId: string;
  #cause = NOT_ASKED;
  /** as it was settled last */
  #counts = false;
  /** since when it does not answer, ms; null: it does */
  #silentSince: number | null = null;
  /** since when it could not bear the loss of one voter more, ms; null: it could */
  #bareSince: number | null = null;
  /** it was asked to join, and does not count: not asked again before, ms by the lease's clock */
  #askAgainAt = 0;
  /** what whoever follows the volume's health has been told of it */
  #told = "null";
  readonly #pause = new Pause();

  /** @param link closed with this; null: there is none */
  constructor(
    private readonly roster: Roster,
    private readonly dropping: Dropping,
    private link: ReplicaLink | null,
  ) {
    this.#replicaId = roster.keeper.witness?.replicaId ?? "";
  }

  /** null: there is none */
  view(): WitnessView | null {
    if (this.link === null) return null;
    const { address } = this.link;
    const { keeper } = this.roster;
    // One that is being given up is needed until that is settled.
    if (!keeper.unsettled)
      this.#counts = keeper.witnessCounts && keeper.witness?.replicaId === this.#replicaId;
    const member = this.#counts;
    return { address, replicaId: this.#replicaId, member, cause: member ? "" : this.#cause };
  }

  /** Another one from now on, or the same one elsewhere.
   * @param address as `parseWitness` gives it; null: none */
  set(address: string | null): void {
    if (address === (this.link?.address ?? null)) return;
    // Who is a member is asked there until it is given up, or found at the new address.
    if (this.link !== this.roster.keeper.witness?.link) this.link?.close();
    this.link = address === null ? null : witnessLink(address);
    this.#replicaId = "";
    this.#cause = NOT_ASKED;
    this.#silentSince = null;
    this.#bareSince = null;
    this.#askAgainAt = 0;
    this.#pause.end();
  }

  /** Until the engine stops. */
  watch(): void {
    this.#watch().catch(this.roster.onError);
  }

  close(): void {
    this.roster.keeper.witness?.link.close();
    this.link?.close();
  }

  /** One that answers, and could be a member if there were another copy, which is about to be one. */
  async candidate(): Promise<Holder | null> {
    const { link, roster } = this;
    if (link === null || this.#silentSince !== null || roster.keeper.witness !== null) return null;
    const facts = await this.#ask(link);
    return facts === null || link.isBare || this.#unfit(facts) !== null ? null : holderOf(link, facts);
  }

  async #watch(): Promise<void> {
    const { roster } = this;
    while (!roster.signal.aborted && roster.end === null) {
      const { link } = this;
      const storedBefore = roster.keeper.witness?.stored.generation ?? 0;
      const facts = link === null ? null : await this.#ask(link);
      await roster.decisions.run(() => this.#judge(link, facts, storedBefore)).catch(roster.onError);
      this.#tell();
      const calm = this.#counts && this.#silentSince === null && this.#bareSince === null;
      await this.#pause.wait(calm ? WITNESS_CALM_POLL_MS : WITNESS_POLL_MS, roster.signal);
    }
  }

  async #ask(link: ReplicaLink): Promise<ReplicaFacts | null> {
    const { keeper, lease } = this.roster;
    const askedAt = lease.now();
    try {
      const facts = await link.identifyFor(keeper.volume);
      if (link === this.link) this.#silentSince = null;
      if (keeper.witness !== null) lease.hear(facts, keeper.witness, askedAt);
      return facts;
    } catch (error) {
      if (link !== this.link) return null;
      this.#silentSince ??= performance.now();
      this.#cause = `does not answer: ${(error as Error).message}`;
      return null;
    }
  }

  #tell(): void {
    const view = this.view();
    // Each failure may be worded differently.
    const told = JSON.stringify(this.#silentSince === null ? view : { ...view, cause: "silent" });
    if (told !== this.#told) this.roster.publish();
    this.#told = told;
  }

  async #judge(link: ReplicaLink | null, facts: ReplicaFacts | null, storedBefore: number): Promise<void> {
    const { roster } = this;
    const { keeper } = roster;
    if (roster.signal.aborted || roster.end !== null || link !== this.link) return;
    const member = keeper.witness;
    if (link === null || facts === null) {
      if (member === null) return;
      const isSilent = performance.now() - (this.#silentSince ?? performance.now()) >= WITNESS_GRACE_MS;
      if ((link === null || isSilent) && this.#isCalm()) await this.#giveUp(member);
    } else if (member === null) {
      this.#replicaId = facts.replicaId;
      const bare = link.isBare ? BARE : null;
      const reason = this.#unfit(facts) ?? this.#needless() ?? bare ?? (this.#isCalm() ? null : NOT_CALM);
      if (reason !== null) this.#cause = reason;
      else await this.#takeIn(holderOf(link, facts));
    } else if (facts.replicaId === member.replicaId) {
      this.#replicaId = facts.replicaId;
      if (member.link !== link) member.link.close();
      member.link = link;
      const verdict = judgeReturn(facts, roster.known(member), storedBefore);
      if (verdict.type === "fenced")
        await roster.finish({ type: "fenced", reason: `witness ${link.address}: ${verdict.reason}` });
      // Its directory went back in time.
      else if (verdict.type === "lost" && this.#isCalm()) await this.#giveUp(member);
      else await this.#bear(link, member);
    } else if (this.#isCalm()) {
      // Its directory was emptied, or it is somewhere else: another one. It joins when the one before has gone.
      await this.#giveUp(member);
      this.#pause.end();
    }
  }

  /** Each time it is asked all copies store a record as well. */
  async #takeIn(witness: Holder): Promise<void> {
    const now = this.roster.lease.now();
    if (now < this.#askAgainAt) return;
    this.#askAgainAt = now + WITNESS_GRACE_MS;
    this.#cause = "it is joining";
    await this.dropping.changeWitness(witness);
    if (this.roster.keeper.witness !== null) this.#askAgainAt = 0;
    else this.#cause = "it did not take part when it was asked to: it is asked again in a few seconds";
  }

  /** A witness that would be lost with the next machine is better none. */
  async #bear(link: ReplicaLink, member: Holder): Promise<void> {
    this.#bareSince = link.isBare ? (this.#bareSince ?? performance.now()) : null;
    if (this.#bareSince === null || performance.now() - this.#bareSince < WITNESS_GRACE_MS || !this.#isCalm())
      return;
    await this.#giveUp(member);
    this.#cause = BARE;
  }

  async #giveUp(member: Holder): Promise<void> {
    await this.dropping.changeWitness(null);
    if (this.roster.keeper.witness === null && member.link !== this.link) member.link.close();
  }

  /** Every copy is there, so that all of them can store what is decided. */
  #isCalm(): boolean {
    const { slots, keeper } = this.roster;
    return !keeper.unsettled && !this.roster.someAway() && !slots.some(({ silent }) => silent !== null);
  }

  /** Why it cannot be this volume's witness now; null: it can. */
  #unfit({ witness, volume, replicaId }: ReplicaFacts): string | null {
    const { keeper, slots } = this.roster;
    if (!witness) return "it is no witness, but a replica";
    if (volume !== keeper.volume) return `it is volume ${volume}'s`;
    const isReplica = slots.some((slot) => slot.replicaId === replicaId);
    return isReplica ? `it is replica ${replicaId}, as another one is` : null;
  }

  /** Why none is needed now; null: one is. */
  #needless(): string | null {
    const copies = this.roster.slots.filter(({ state, link }) => state.mode === "RW" && !isLonghorn(link));
    return copies.length > 1 ? null : "there is one copy";
  }
}

function holderOf(link: ReplicaLink, facts: ReplicaFacts): Holder {
  return { link, replicaId: facts.replicaId, stored: basisOf(facts), readable: false };
}
