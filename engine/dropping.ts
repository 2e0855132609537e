/** Going on without replicas: recorded durably on every survivor before anything that waits for them is let go. */
import type { Roster } from "./roster.js";
import { isCopy, type Slot } from "./slot.js";

export interface Failing {
  slot: Slot;
  cause: string;
}

export class Dropping {
  constructor(private readonly roster: Roster) {}

  /** Records on all survivors that `failing` failed, durably, and only then lets their operations go.
   * @returns false when no survivor could record it: then nothing has been decided */
  async drop(failing: Failing[]): Promise<boolean> {
    const { roster } = this;
    const survivors = roster.active().filter((slot) => !failing.some((failed) => failed.slot === slot));
    const failures = await this.#record(survivors);
    if (failures === null) {
      const addresses = failing.map(({ slot }) => slot.address);
      roster.log.warn({ failing: addresses }, "no survivor could record the failure");
      return false;
    }
    await this.#letGo([...failing, ...failures]);
    return true;
  }

  /** Stores the engine's own small state durably on all members; one that does not take it is dropped.
   * @throws when no member takes it */
  async saveEngineState(bytes: Uint8Array): Promise<void> {
    const failures = await this.#record(this.roster.active(), bytes);
    if (failures === null) throw new Error("no replica stored the engine's state");
    await this.#letGo(failures);
  }

  async #letGo(failed: Failing[]): Promise<void> {
    for (const { slot, cause } of failed) {
      this.roster.apply(slot, { type: "failed", cause });
      slot.silent = null;
      await this.roster.volume.setMode(slot.index, "OFF");
    }
    this.roster.publish();
  }

  /** @returns who did not record it; null when nobody did who could stand alone */
  async #record(members: Slot[], engineState?: Uint8Array): Promise<Failing[] | null> {
    for (const slot of members) slot.readable = isCopy(slot);
    const advance = await this.roster.keeper.advance(members, engineState);
    if (advance === null) return null;
    return advance.failures.map(({ holder, error }) => ({
      slot: holder,
      cause: `did not record: ${error.message}`,
    }));
  }
}
