/** Looks after replicas that have failed: whichever comes back is made a copy again, without anybody asking for it. */
import { RETURN_DELAY_MS, RETURN_DELAY_MS_MAX, RETURN_PROBE_MS, UNNEEDED_LOOK_MS } from "./limits.js";
import { listens } from "./listens.js";
import { isLonghorn } from "./longhorn/longhorn-link.js";
import { DeclinedError, type Resync } from "./resync.js";
import type { Roster } from "./roster.js";
import type { Slot } from "./slot.js";

export class Returning {
  /** addresses of those that are being made copies at this moment */
  readonly #attempts = new Set<string>();

  constructor(
    private readonly roster: Roster,
    private readonly resync: Resync,
  ) {}

  /** Until the engine stops, or the slot is removed. */
  watch(slot: Slot): void {
    // Nothing tells what one of Longhorn's holds when it is back: somebody adds it again.
    if (isLonghorn(slot.link)) return;
    this.#watch(slot).catch(this.roster.onError);
  }

  /** Also of one that is removed by now: what was begun there goes on until it fails. */
  looksAfter(address: string): boolean {
    return this.#attempts.has(address);
  }

  async #watch(slot: Slot): Promise<void> {
    const { roster } = this;
    const { signal } = roster;
    let delayMs = RETURN_DELAY_MS;
    while (!signal.aborted && roster.end === null && roster.slots.includes(slot)) {
      const failed = slot.state.mode === "ERR" && !slot.reconnecting && !slot.ordered;
      slot.returning = failed;
      const vain = failed && (await this.#isThere(slot)) && !(await this.#attempt(slot));
      slot.returning = false;
      // Only what is there and does not become a copy is left alone for longer and longer.
      delayMs = vain ? Math.min(delayMs * 2, RETURN_DELAY_MS_MAX) : RETURN_DELAY_MS;
      await slot.untilFailed.wait(slot.state.mode === "ERR" ? delayMs : UNNEEDED_LOOK_MS, signal);
    }
  }

  async #isThere(slot: Slot): Promise<boolean> {
    if (await listens(slot.address, RETURN_PROBE_MS)) return true;
    // A connection to a machine that went without a word would wait for its answers for long after it is back.
    slot.link.close();
    return false;
  }

  /** @returns whether it is a copy again */
  async #attempt(slot: Slot): Promise<boolean> {
    const { roster } = this;
    this.#attempts.add(slot.address);
    try {
      await this.resync.run(slot);
      return true;
    } catch (err) {
      if (roster.signal.aborted) return false;
      if (err instanceof DeclinedError) this.#decline(slot, err.message);
      else roster.log.debug({ err, replica: slot.address }, "replica does not come back yet");
      return false;
    } finally {
      this.#attempts.delete(slot.address);
    }
  }

  #decline(slot: Slot, cause: string): void {
    const { roster } = this;
    if (slot.state.mode !== "ERR" || slot.state.cause === cause) return;
    roster.log.warn({ replica: slot.address, reason: cause }, "replica cannot be made a copy");
    roster.apply(slot, { type: "declined", cause });
    roster.publish();
  }
}
