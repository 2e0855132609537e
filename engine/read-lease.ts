/**
 * Reads ask one copy alone. They are answered only while another member, or as many as it takes, has said within READ_LEASE_MS that it
 * still has this engine's record: nobody can have taken over without one of those. Else they wait in the native Volume, until somebody
 * says so again, or this engine is fenced. ARCHITECTURE.md "The read lease".
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ReplicaFacts } from "../proto/control.js";
import { READ_LEASE_ASK_MS, READ_LEASE_LOOK_MS, READ_LEASE_MS } from "./limits.js";
import { isLonghorn } from "./longhorn/longhorn-link.js";
import { aloneSince } from "./quorum.js";
import { copiesOf, type Holder, type RecordWatcher } from "./record-keeper.js";
import { judgeReturn } from "./return-verdict.js";
import type { Roster } from "./roster.js";
import { isCopy } from "./slot.js";

export class ReadLease implements RecordWatcher {
  /** when each member was asked last that still had this engine's record, by the volume's clock */
  readonly #askedAt = new Map<string, number>();
  readonly #asking = new Set<string>();
  /** as the volume was told */
  #until: number | null = null;
  #told: Promise<void> = Promise.resolve();
  /** reads wait */
  #out = false;

  constructor(private readonly roster: Roster) {
    roster.keeper.watcher = this;
  }

  now(): number {
    return this.roster.volume.clock();
  }

  stored(replicaId: string, askedAt: number): void {
    this.#askedAt.set(replicaId, askedAt);
    this.renew().catch(this.roster.onError);
  }

  asking(): Promise<void> {
    return this.renew();
  }

  /** Looks after it until the engine stops. */
  watch(): void {
    this.#watch().catch(this.roster.onError);
  }

  async #watch(): Promise<void> {
    const { roster } = this;
    while (!roster.signal.aborted && roster.end === null) {
      await this.renew();
      this.#report();
      const left = this.#since() + READ_LEASE_ASK_MS - this.now();
      if (left <= 0) this.#askMembers();
      const pauseMs = left > 0 ? Math.min(left, READ_LEASE_ASK_MS) : READ_LEASE_LOOK_MS;
      await sleep(pauseMs, undefined, { signal: roster.signal }).catch(() => undefined);
    }
  }

  /** Takes in what a member that was asked has answered. @param askedAt by the volume's clock */
  hear(facts: ReplicaFacts, { replicaId }: Pick<Holder, "replicaId">, askedAt: number): void {
    const { keeper } = this.roster;
    const isIt = facts.volume === keeper.volume && facts.replicaId === replicaId;
    if (isIt && facts.record?.engineId === keeper.engineId) this.stored(replicaId, askedAt);
  }

  /** Tells the volume until when reads count, if that has changed; to be called whenever it may have. */
  async renew(): Promise<void> {
    const { volume, signal } = this.roster;
    if (signal.aborted) return;
    const since = this.#since();
    const until = since === Infinity ? null : Math.max(0, since + READ_LEASE_MS);
    if (until !== this.#until) {
      this.#until = until;
      this.#told = volume.leaseReads(until);
    }
    await this.#told;
  }

  /** Since when nobody else can have gone on, whichever copy is read. */
  #since(): number {
    const { slots, keeper } = this.roster;
    // Those that are about to be read, and those that still are.
    const present = slots.filter((slot) => isCopy(slot) && !isLonghorn(slot.link));
    const readers = new Set([...copiesOf(keeper.voters), ...present.map(({ replicaId }) => replicaId)]);
    const askedAt = (id: string) => this.#askedAt.get(id) ?? -Infinity;
    const times = keeper.voters.flatMap((voters) =>
      [...readers].map((reader) => aloneSince(voters, reader, askedAt)),
    );
    return Math.min(Infinity, ...times);
  }

  /** Only when those who are asked anyway have not said enough lately. */
  #askMembers(): void {
    const { slots, keeper } = this.roster;
    const members = new Set(keeper.voters.flatMap((voters) => voters.members));
    const holders: Holder[] = keeper.witness === null ? slots : [...slots, keeper.witness];
    for (const holder of holders) {
      const { replicaId } = holder;
      if (!members.has(replicaId) || this.#asking.has(replicaId)) continue;
      this.#asking.add(replicaId);
      this.#ask(holder)
        .catch(this.roster.onError)
        .finally(() => this.#asking.delete(replicaId));
    }
  }

  async #ask(holder: Holder): Promise<void> {
    const { roster } = this;
    const askedAt = this.now();
    const { generation } = holder.stored;
    const facts = await holder.link.identify().catch(() => null);
    if (facts === null || roster.signal.aborted) return;
    const verdict = judgeReturn(facts, roster.known(holder), generation);
    if (verdict.type === "fenced") {
      const reason = `replica ${holder.link.address}: ${verdict.reason}`;
      await roster.decisions.run(() => roster.finish({ type: "fenced", reason }));
    } else this.hear(facts, holder, askedAt);
  }

  #report(): void {
    const { log } = this.roster;
    const out = this.#until !== null && this.now() >= this.#until;
    if (out === this.#out) return;
    this.#out = out;
    if (out) log.warn({}, "reads wait: nobody says that no other engine has taken over");
    else log.info({}, "reads go on");
  }
}
