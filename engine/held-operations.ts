/** Operations that end with an error, and what it takes afterwards: copies may differ where some did the change and others
 * did not. */
import type { StatusName } from "../native/index.js";
import type { Dropping } from "./dropping.js";
import { RECONNECT_DELAY_MS } from "./limits.js";
import type { Range } from "./region-ranges.js";
import type { Roster } from "./roster.js";
import { isCopy, type Slot } from "./slot.js";

/** One copy is made what another one is. */
interface Copy {
  from: Slot;
  to: Slot;
  range: Range;
}

export class HeldOperations {
  constructor(
    private readonly roster: Roster,
    private readonly dropping: Dropping,
  ) {}

  /** Answers what is held at `slots` with an error, and makes the copies equal where they now may differ.
   * @param touched ranges of changes that were done by some replicas only */
  async answer(slots: Slot[], status: StatusName, touched: Range[]): Promise<void> {
    const { volume, slots: all } = this.roster;
    const from = [...slots, ...all].find(({ state }) => state.mode === "RW");
    const others = all.filter((slot) => slot !== from && ["RW", "WO", "RESYNC"].includes(slot.state.mode));
    // Queued behind the failed operation and before any later one: nobody reads the range in between.
    if (from !== undefined)
      for (const range of touched) for (const to of others) this.#makeEqual({ from, to, range });
    for (const { index } of slots) await volume.failHeld(index, status);
  }

  #makeEqual(copy: Copy): void {
    const { from, to, range } = copy;
    this.roster.volume
      .copy(from.index, to.index, range.offset, range.length)
      .catch((err: unknown) => this.#onUnequal(copy, err));
  }

  #onUnequal({ from, to, range }: Copy, err: unknown): void {
    const { roster } = this;
    const who = { from: from.address, to: to.address };
    roster.log.error({ err, ...who }, "copies could not be made equal after a failed write");
    roster.later(async () => {
      if (to.state.mode === "ERR") return;
      if (from.state.mode === "ERR") {
        // Gone meanwhile, and with it what the others had to be equal to: now they have to agree with each other.
        const other = roster.slots.find((slot) => slot !== to && slot.state.mode === "RW");
        if (other !== undefined) this.#makeEqual({ from: other, to, range });
        return;
      }
      // Until it is dropped nobody may read the difference.
      await roster.volume.setMode(to.index, "WO");
      await this.dropUnequal(to, "could not be made equal after a failed write");
    }, 0);
  }

  /** Drops `to`, which cannot be made equal to the other copies, unless all of them have gone meanwhile: what it holds
   * counts then. */
  async dropUnequal(to: Slot, cause: string): Promise<void> {
    const { roster } = this;
    if (to.state.mode === "ERR") return;
    if (!roster.slots.some((slot) => slot !== to && isCopy(slot))) {
      if (isCopy(to)) await roster.volume.setMode(to.index, "RW");
      return;
    }
    if (await this.dropping.drop([{ slot: to, cause }])) return;
    roster.later(() => this.dropUnequal(to, cause), RECONNECT_DELAY_MS);
  }
}
