/**
 * Longhorn's revision counters, where replicas keep them: whoever opens their directories without us takes the highest for
 * the newest copy. So equal copies have equal counters, although what makes them equal was counted by some of them alone.
 */
import type { Dropping } from "./dropping.js";
import { alignRevisions } from "./longhorn/revisions.js";
import type { Roster } from "./roster.js";
import type { Slot } from "./slot.js";

export class Revisions {
  constructor(
    private readonly roster: Roster,
    private readonly dropping: Dropping,
  ) {}

  /** Makes a decision about copies that are equal. Where counters are kept, no I/O is under way meanwhile, and every replica
   * that stores the record from now on has the highest.
   * @param joining no member yet: the decision records it */
  async level<T>(decision: () => Promise<T>, joining: readonly Slot[] = []): Promise<T> {
    const { roster } = this;
    const { volume, decisions } = roster;
    const counters = await countersOf([...roster.members(), ...joining]);
    if (Math.max(0, ...counters) === 0) return decisions.run(decision);
    // Not as a decision: what is in flight may need one to end.
    await volume.quiesce();
    try {
      return await decisions.run(async () => {
        await this.raise(joining);
        return decision();
      });
    } finally {
      await volume.resume();
    }
  }

  /** Brings all members to the highest. To be called as a decision, while no I/O is under way. */
  async raise(joining: readonly Slot[] = []): Promise<void> {
    const { roster } = this;
    const { keeper, log } = roster;
    const members = roster.members();
    // One that is away would not store the record, and need not be gone on without.
    if (roster.someAway()) return;
    await alignRevisions(
      members.map(({ link }) => link),
      keeper.volume,
      log,
    );
    const counters = await countersOf(members);
    keeper.raiseRevisions(Math.max(0, ...counters, ...(await countersOf(joining))));
    if (new Set(counters).size > 1) await this.dropping.renew();
  }
}

/** 0: it keeps none, or has counted nothing. Who does not answer is going to be dropped, and behind. */
async function countersOf(slots: readonly Slot[]): Promise<number[]> {
  const facts = await Promise.allSettled(slots.map(({ link }) => link.identify()));
  return facts.flatMap((asked) => (asked.status === "fulfilled" ? [asked.value.revision] : []));
}
