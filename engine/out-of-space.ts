/** Replicas that ran out of space: whether one is dropped or the write fails depends on what the others answer. */
import type { Dropping } from "./dropping.js";
import type { HeldOperations } from "./held-operations.js";
import { NO_SPACE_GATHER_MS } from "./limits.js";
import type { Range } from "./region-ranges.js";
import type { Roster } from "./roster.js";
import type { Slot } from "./slot.js";

export class OutOfSpace {
  #gathering = false;

  constructor(
    private readonly roster: Roster,
    private readonly dropping: Dropping,
    private readonly held: HeldOperations,
  ) {}

  /** A replica had no space for `range`; the others' answers are awaited for a moment. */
  note(slot: Slot, range: Range): void {
    slot.noSpace.push(range);
    this.#gather();
  }

  #gather(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    this.roster.later(() => this.#settle(), NO_SPACE_GATHER_MS);
  }

  /** All copies full: the write fails and nothing else. Some full: those lack what the others hold, and are dropped. */
  async #settle(): Promise<void> {
    this.#gathering = false;
    const { slots } = this.roster;
    const full = slots.filter(({ noSpace, state }) => noSpace.length > 0 && state.mode !== "ERR");
    if (full.length === 0) return;
    const copies = slots.filter(({ state }) => state.mode === "RW");
    if (this.roster.someAway()) {
      this.#gather();
    } else if (copies.every((copy) => full.includes(copy))) {
      await this.held.answer(full, "NO_SPACE", []);
    } else {
      const cause = "out of space, while another replica is not";
      if (!(await this.dropping.drop(full.map((slot) => ({ slot, cause }))))) this.#gather();
    }
  }
}
