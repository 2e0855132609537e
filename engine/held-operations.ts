/** Operations that end with an error, and what it takes afterwards: copies may differ where some did the change and others
 * did not. */
import type { StatusName } from "../native/index.js";
import type { Dropping } from "./dropping.js";
import { RECONNECT_DELAY_MS } from "./limits.js";
import type { Range } from "./region-ranges.js";
import type { Roster } from "./roster.js";
import type { Slot } from "./slot.js";

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
    const copies = touched.flatMap(({ offset, length }) =>
      from === undefined
        ? []
        : others.map((to) => ({ from, to, done: volume.copy(from.index, to.index, offset, length) })),
    );
    for (const copy of copies) copy.done.catch((err: unknown) => this.#onUnequal(copy.from, copy.to, err));
    for (const { index } of slots) await volume.failHeld(index, status);
  }

  #onUnequal(from: Slot, to: Slot, err: unknown): void {
    const { roster } = this;
    const who = { from: from.address, to: to.address };
    roster.log.error({ err, ...who }, "copies could not be made equal after a failed write");
    // Until it is dropped nobody may read the difference.
    roster.later(async () => {
      if (to.state.mode !== "ERR") await roster.volume.setMode(to.index, "WO");
      await this.dropUnequal(from, to, "could not be made equal after a failed write");
    }, 0);
  }

  /** Drops `to`, which cannot be made equal to `from`, unless one of them has gone meanwhile. */
  async dropUnequal(from: Slot, to: Slot, cause: string): Promise<void> {
    if (from.state.mode === "ERR" || to.state.mode === "ERR") return;
    if (await this.dropping.drop([{ slot: to, cause }])) return;
    this.roster.later(() => this.dropUnequal(from, to, cause), RECONNECT_DELAY_MS);
  }
}
