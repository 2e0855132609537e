/** Replicas whose stream ended: a short grace to come back as the same copy, before the others go on without them. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Dropping } from "./dropping.js";
import { RECONNECT_DELAY_MS, RECONNECT_DELAY_MS_MAX, RECONNECT_GRACE_MS } from "./limits.js";
import { judgeReturn, type ReturnVerdict } from "./return-verdict.js";
import type { Roster } from "./roster.js";
import { isCopy, type Slot } from "./slot.js";

type Outcome = ReturnVerdict | { type: "unreachable"; reason: string };

export class Reconnecting {
  constructor(
    private readonly roster: Roster,
    private readonly dropping: Dropping,
  ) {}

  /** Connects a member's stream at start, again for a while: its daemon may just restart.
   * @returns what went wrong, or null */
  async open(slot: Slot): Promise<string | null> {
    const { roster } = this;
    const deadline = performance.now() + RECONNECT_GRACE_MS;
    for (;;) {
      try {
        await roster.connect(slot, slot.stored.generation);
        // Its machine may have restarted since it was chosen.
        const facts = await slot.link.identify();
        slot.facts = facts;
        slot.stored = { ...slot.stored, opening: facts.opening };
        return null;
      } catch (error) {
        if (performance.now() >= deadline) return (error as Error).message;
        roster.log.warn({ err: error, replica: slot.address }, "replica could not be connected");
      }
      await sleep(RECONNECT_DELAY_MS, undefined, { signal: roster.signal });
    }
  }

  /** Tries to get a replica back until that is decided one way or the other. */
  begin(slot: Slot, reason: string): void {
    this.roster.apply(slot, { type: "linkLost", reason });
    slot.silent = null;
    slot.reconnecting = true;
    this.#reconnect(slot)
      .catch(this.roster.onError)
      .finally(() => (slot.reconnecting = false));
  }

  async #reconnect(slot: Slot): Promise<void> {
    const { signal, decisions } = this.roster;
    const since = performance.now();
    let delayMs = RECONNECT_DELAY_MS;
    for (;;) {
      if (signal.aborted || slot.state.mode !== "AWAY") return;
      const outcome = await this.#tryReturn(slot);
      if (await decisions.run(() => this.#judge(slot, outcome, since))) return;
      await sleep(delayMs, undefined, { signal }).catch(() => undefined);
      delayMs = Math.min(delayMs * 2, RECONNECT_DELAY_MS_MAX);
    }
  }

  /** Asks the replica who it is, connects it, and asks again: its machine may have restarted in between. */
  async #tryReturn(slot: Slot): Promise<Outcome> {
    const { roster } = this;
    const { generation } = slot.stored;
    try {
      const facts = await slot.link.identify();
      const before = judgeReturn(facts, roster.known(slot), generation);
      if (before.type !== "same") return before;
      slot.facts = facts;
      await roster.connect(slot, before.generation);
      const now = await slot.link.identify();
      const verdict = judgeReturn(now, roster.known(slot), generation);
      if (verdict.type === "same") slot.facts = now;
      return verdict;
    } catch (error) {
      return { type: "unreachable", reason: (error as Error).message };
    }
  }

  /** @returns whether nothing is left to be tried */
  async #judge(slot: Slot, outcome: Outcome, since: number): Promise<boolean> {
    const { roster, dropping } = this;
    if (roster.end !== null || slot.state.mode !== "AWAY") {
      // Dropped while its stream came back.
      if (slot.state.mode === "ERR") await roster.volume.setMode(slot.index, "OFF");
      return true;
    }
    const grace = performance.now() - since < RECONNECT_GRACE_MS;
    switch (outcome.type) {
      case "same":
        if (slot.breaks > slot.breaksAtConnect) return false;
        slot.stored = {
          ...slot.stored,
          ...{ engineId: roster.keeper.engineId, generation: outcome.generation },
          opening: slot.facts?.opening ?? "",
        };
        slot.lost = null;
        slot.restarted = true;
        // What is held was sent to it again.
        slot.noSpace = [];
        roster.apply(slot, { type: "linkRestored" });
        roster.publish();
        // It may have stored a record since it was asked.
        dropping.settleLater();
        return true;
      case "fenced":
        await roster.finish({ type: "fenced", reason: `replica ${slot.address}: ${outcome.reason}` });
        return true;
      case "lost":
        slot.lost = outcome.reason;
        if (roster.otherCopy(slot)) return dropping.drop([{ slot, cause: outcome.reason }]);
        return this.#judgeLoss();
      case "unreachable":
        roster.apply(slot, { type: "linkLost", reason: outcome.reason });
        roster.publish();
        return !grace && roster.otherCopy(slot) ? dropping.drop([{ slot, cause: outcome.reason }]) : false;
    }
  }

  /** All copies came back without acknowledged writes: serving on would be silent loss. */
  async #judgeLoss(): Promise<boolean> {
    const copies = this.roster.members().filter(isCopy);
    if (copies.some(({ lost }) => lost === null)) return false;
    const reason = copies.map(({ address, lost }) => `replica ${address}: ${lost ?? ""}`).join("; ");
    await this.roster.finish({ type: "writesLost", reason });
    return true;
  }
}
