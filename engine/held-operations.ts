/** Operations that end with an error, and what it takes afterwards: copies may differ where some did the change and others
 * did not. */
import type { NativeError, StatusName } from "../native/index.js";
import type { Dropping } from "./dropping.js";
import { AGREEMENT_RETRY_MS } from "./limits.js";
import type { Range } from "./region-ranges.js";
import type { Roster } from "./roster.js";
import { isCopy, type Slot } from "./slot.js";

/** One copy is made what another one is. */
interface Copy {
  from: Slot;
  to: Slot;
  range: Range;
}

/** Modes of those that a change goes to. */
const WRITTEN: ReadonlySet<string> = new Set(["RW", "WO", "RESYNC"]);

export class HeldOperations {
  constructor(
    private readonly roster: Roster,
    private readonly dropping: Dropping,
  ) {}

  /** Answers what is held at `slots` with an error, and makes the copies equal where they now may differ.
   * @param touched ranges of changes that were done by some replicas only, beside what those had no space for */
  async answer(slots: Slot[], status: StatusName, touched: Range[]): Promise<void> {
    const { volume, slots: all } = this.roster;
    const copies = [...slots, ...all].filter(({ state }) => state.mode === "RW");
    // Who is being dropped cannot take the place of those that it is dropped for.
    const from = copies.find((slot) => this.roster.keeper.isNamed(slot)) ?? copies[0];
    const others = all.filter((slot) => slot !== from && WRITTEN.has(slot.state.mode));
    // Queued behind the failed operation and before any later one: nobody reads the range in between.
    const ranges = [...touched, ...slots.flatMap(({ noSpace }) => noSpace)];
    for (const slot of slots) slot.noSpace = [];
    if (from !== undefined)
      for (const range of ranges) for (const to of others) this.#makeEqual({ from, to, range });
    // In one turn: what failed on all of them in between would end with the first, and of the others nobody would be told.
    await Promise.all(slots.map(({ index }) => volume.failHeld(index, status)));
  }

  #makeEqual(copy: Copy): void {
    const { from, to, range } = copy;
    this.roster.volume
      .copy(from.index, to.index, range.offset, range.length)
      .catch((err: unknown) => this.#onUnequal(copy, err as NativeError));
  }

  #onUnequal(copy: Copy, err: NativeError): void {
    const { roster } = this;
    const { from, to, range } = copy;
    const who = { from: from.address, to: to.address };
    roster.log.error({ err, ...who }, "copies could not be made equal after a failed write");
    roster.later(async () => {
      if (to.state.mode === "ERR") return;
      const goes = this.#whichGoes(copy, err.slot);
      if (goes === from) {
        // With it goes what the others had to be equal to, and some are: now they have to agree with each other.
        const left = roster.slots.filter((slot) => slot !== from && WRITTEN.has(slot.state.mode));
        const base = left.find((slot) => slot !== to && slot.state.mode === "RW") ?? to;
        if (isCopy(base))
          for (const other of left) if (other !== base) this.#makeEqual({ from: base, to: other, range });
        if (!isCopy(from)) return;
      }
      await roster.withdraw(goes);
      await this.dropUnequal(goes, "could not be made equal after a failed write");
    }, 0);
  }

  /** The other one is a copy then, and what it holds counts. @param failed the slot that ended the copy */
  #whichGoes({ from, to }: Copy, failed: number | undefined): Slot {
    const { keeper } = this.roster;
    if (!isCopy(from)) return from;
    if (!isCopy(to)) return to;
    if (keeper.isNamed(from) !== keeper.isNamed(to)) return keeper.isNamed(from) ? to : from;
    return failed === from.index ? from : to;
  }

  /** Drops `slot`, which cannot be made equal to the other copies. */
  async dropUnequal(slot: Slot, cause: string): Promise<void> {
    if (slot.state.mode === "ERR" || (await this.dropping.drop([{ slot, cause }]))) return;
    // Each attempt may make the witness store a record.
    this.roster.later(() => this.dropUnequal(slot, cause), AGREEMENT_RETRY_MS);
  }
}
