/** Copies that may differ since a crash agree again: made equal in the background, then told so; and the same for what a
 * replica inherited from its own restart. */
import { setTimeout as sleep } from "node:timers/promises";
import { Equalizing } from "./equalizing.js";
import type { HeldOperations } from "./held-operations.js";
import { AGREEMENT_RETRY_MS, RECONNECT_DELAY_MS } from "./limits.js";
import { isLonghorn } from "./longhorn/longhorn-link.js";
import type { Range } from "./region-ranges.js";
import { FencedError } from "./replica-link.js";
import { judgeReturn } from "./return-verdict.js";
import type { Revisions } from "./revisions.js";
import type { Roster } from "./roster.js";
import { isCopy, isMember, type Slot } from "./slot.js";

/** One that failed since is none of those any more, also when it has come back: it was made equal by a resync. */
function isBehind({ state }: Slot): boolean {
  return (state.mode === "AWAY" ? state.was.mode : state.mode) === "WO";
}

export class Agreement {
  #copies: Equalizing[] = [];
  /** where reads waited before anything was copied */
  #early: Range[] = [];

  constructor(
    private readonly roster: Roster,
    private readonly held: HeldOperations,
    private readonly revisions: Revisions,
  ) {}

  /** Somebody reads there, where copies may differ, and waits until they do not: what one copy has, and another one lacks, was never
   * acknowledged, but once it was read it has to stay, whichever copy is served from next. */
  hurry(range: Range): void {
    if (this.#copies.length === 0) this.#early.push(range);
    for (const copy of this.#copies) copy.hurry(range);
  }

  /** Makes the WO ones of `members` equal to `from`, then all forget what they inherited. */
  async run(from: Slot, members: Slot[], ranges: Range[]): Promise<void> {
    const { roster } = this;
    const { volume, pacer, signal, log } = roster;
    const targets = members.filter((slot) => slot !== from && slot.state.mode === "WO");
    const unequal = new Set(targets);
    const drop = (slot: Slot, cause: string, delayMs: number) =>
      roster.later(async () => {
        if (isBehind(slot)) await this.held.dropUnequal(slot, cause);
      }, delayMs);
    const copies = targets.map((to) => {
      const copy = new Equalizing({
        volume,
        pacer,
        from: from.index,
        to: to.index,
        ranges,
        wanted: () => isBehind(to) && isCopy(from),
        onCopied: (bytes) => {
          if (isBehind(to)) roster.apply(to, { type: "reconciled", bytes });
        },
        onRefused: (error) => drop(to, error.message, RECONNECT_DELAY_MS),
        signal,
        log,
      });
      return { to, copy };
    });
    const tasks = copies.map(async ({ to, copy }) => {
      if (await copy.run()) unequal.delete(to);
      else if (!signal.aborted) drop(to, `${from.address}, which it was made equal to, failed`, 0);
    });
    this.#copies = copies.map(({ copy }) => copy);
    for (const range of this.#early.splice(0)) this.hurry(range);
    await Promise.all(tasks);
    while (!signal.aborted && roster.end === null) {
      try {
        // What was copied, and what a copy only had in its page cache, has to be durable before it is forgotten.
        await volume.flush(null);
        // What was copied was counted by those that it was copied to.
        if (await this.revisions.level(() => this.#agreed(targets, unequal))) return;
      } catch (err) {
        log.warn({ err }, "agreement could not be completed; it is tried again");
      }
      await sleep(AGREEMENT_RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** @param unequal those of `targets` that are dropped
   * @returns false when a replica is away, which has to hear of it as well, or when copies may differ */
  async #agreed(targets: Slot[], unequal: ReadonlySet<Slot>): Promise<boolean> {
    const { roster } = this;
    const goes = (slot: Slot) => (unequal.has(slot) && isBehind(slot)) || (slot.differs && isMember(slot));
    if (roster.someAway() || targets.some(goes)) return false;
    // What was under way when one restarted is not known to be on all copies before a settlement.
    const told = roster.members().filter(({ restarted }) => !restarted);
    await Promise.all(told.map((slot) => this.#tell(slot)));
    for (const slot of targets) {
      if (slot.state.mode !== "WO") continue;
      if (isLonghorn(slot.link)) await slot.link.setRebuilding(false);
      roster.apply(slot, { type: "agreed" });
      await roster.volume.setMode(slot.index, "RW");
    }
    roster.publish();
    return true;
  }

  async #tell(slot: Slot): Promise<void> {
    try {
      await slot.link.agreed(this.roster.openingRequest(slot));
    } catch (error) {
      if (error instanceof FencedError) await this.#askWhoOwns(slot);
      throw error;
    }
  }

  /** A refusal may mean a rival, or only that the replica stored a record whose answer was lost. */
  async #askWhoOwns(slot: Slot): Promise<void> {
    const { generation } = slot.stored;
    const verdict = judgeReturn(await slot.link.identify(), this.roster.known(slot), generation);
    if (verdict.type === "same") slot.stored = { ...slot.stored, generation: verdict.generation };
    if (verdict.type === "fenced") await this.roster.finish(verdict);
  }

  /** Whether a settlement would let a replica forget what it inherited from its own restart. */
  get wantsSettlement(): boolean {
    return this.roster.slots.some(({ restarted, state }) => restarted && state.mode === "RW");
  }

  /** To be called before a round of settlement, and its result after it: everything written before is then equal and
   * durable on all copies, so that replicas which had restarted before the round forget what they inherited. */
  beginSettlement(): () => Promise<void> {
    const { roster } = this;
    const restarted = roster.slots
      .filter((slot) => slot.restarted)
      .map((slot) => ({ slot, breaks: slot.breaks }));
    if (restarted.length === 0) return () => Promise.resolve();
    // What was sent to them again was counted twice, and what they had counted before may be forgotten.
    return () =>
      this.revisions.level(async () => {
        const members = roster.members();
        if (members.some(({ state }) => state.mode !== "RW")) return;
        for (const { slot, breaks } of restarted) {
          if (!members.includes(slot) || slot.breaks !== breaks) continue;
          await this.#tell(slot);
          slot.restarted = false;
        }
      });
  }
}
