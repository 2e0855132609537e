/** Looks after the witness: it becomes a member while there are two copies, and is none any more when it does not answer, so
 * that a copy that fails later can be gone on without. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ReplicaFacts } from "../proto/control.js";
import type { Dropping } from "./dropping.js";
import { WITNESS_GRACE_MS, WITNESS_POLL_MS } from "./limits.js";
import { isLonghorn } from "./longhorn/longhorn-link.js";
import { basisOf } from "./record-keeper.js";
import type { ReplicaLink } from "./replica-link.js";
import { judgeReturn } from "./return-verdict.js";
import type { Roster } from "./roster.js";

export interface WitnessView {
  address: string;
  /** "" while it has never answered */
  replicaId: string;
  member: boolean;
  /** why it is none */
  cause: string;
}

export class WitnessWatch {
  #replicaId = "";
  #cause = "not asked yet";
  /** since when it does not answer, ms; null: it does */
  #silentSince: number | null = null;

  constructor(
    private readonly roster: Roster,
    private readonly dropping: Dropping,
    private readonly link: ReplicaLink,
  ) {
    this.#replicaId = roster.keeper.witness?.replicaId ?? "";
  }

  view(): WitnessView {
    const member = this.roster.keeper.witnessCounts;
    return {
      address: this.link.address,
      replicaId: this.#replicaId,
      member,
      cause: member ? "" : this.#cause,
    };
  }

  /** Until the engine stops. */
  watch(): void {
    this.#watch().catch(this.roster.onError);
  }

  async #watch(): Promise<void> {
    const { roster } = this;
    while (!roster.signal.aborted && roster.end === null) {
      const facts = await this.#ask();
      await roster.decisions.run(() => this.#judge(facts)).catch(roster.onError);
      await sleep(WITNESS_POLL_MS, undefined, { signal: roster.signal }).catch(() => undefined);
    }
  }

  async #ask(): Promise<ReplicaFacts | null> {
    try {
      const facts = await this.link.identifyFor(this.roster.keeper.volume);
      this.#silentSince = null;
      return facts;
    } catch (error) {
      this.#silentSince ??= Date.now();
      this.#cause = `does not answer: ${(error as Error).message}`;
      return null;
    }
  }

  async #judge(facts: ReplicaFacts | null): Promise<void> {
    const { roster, dropping } = this;
    const { keeper } = roster;
    if (roster.signal.aborted || roster.end !== null) return;
    const member = keeper.witness;
    if (facts === null) {
      if (member === null || Date.now() - (this.#silentSince ?? 0) < WITNESS_GRACE_MS) return;
      if (this.#isCalm()) await dropping.changeWitness(null);
    } else if (member === null) {
      const reason = this.#whyNot(facts);
      this.#replicaId = facts.replicaId;
      if (reason !== null) this.#cause = reason;
      else if (this.#isCalm()) {
        this.#cause = "it is joining";
        const { link } = this;
        const witness = { link, replicaId: facts.replicaId, stored: basisOf(facts), readable: false };
        await dropping.changeWitness(witness);
      }
    } else {
      const verdict = judgeReturn(facts, { ...roster.known(member) });
      if (verdict.type === "fenced")
        await roster.finish({ type: "fenced", reason: `witness ${this.link.address}: ${verdict.reason}` });
      // Its directory was emptied: it is another one.
      else if (verdict.type === "lost" && this.#isCalm()) await dropping.changeWitness(null);
    }
  }

  /** Every copy is there, so that all of them can store what is decided. */
  #isCalm(): boolean {
    const { slots, keeper } = this.roster;
    return !keeper.unsettled && !this.roster.someAway() && !slots.some(({ silent }) => silent !== null);
  }

  #whyNot({ witness, volume, replicaId, record }: ReplicaFacts): string | null {
    const { keeper, slots } = this.roster;
    if (!witness) return "it is no witness, but a replica";
    if (volume !== keeper.volume) return `it is volume ${volume}'s`;
    if (slots.some((slot) => slot.replicaId === replicaId))
      return `it is replica ${replicaId}, as another one is`;
    const generation = record?.generation ?? 0;
    if (generation > keeper.generation)
      return `it has generation ${generation}, while ${keeper.generation} is served here: it counts after the next start`;
    const copies = slots.filter(({ state, link }) => state.mode === "RW" && !isLonghorn(link));
    return copies.length > 1 ? null : "there is one copy";
  }
}
