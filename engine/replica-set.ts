/**
 * The replicas of a running engine: hears what goes wrong, decides one thing at a time, and lets held operations go only
 * when a failure is durably recorded on every survivor.
 */
import type { Volume, SlotEvent } from "../native/index.js";
import type { OpeningRequest, ReplicaFacts } from "../proto/control.js";
import type { Logger } from "pino";
import { Agreement } from "./agreement.js";
import { Dropping } from "./dropping.js";
import { causeOf, remedyFor, remedyForLonghorn } from "./failure-policy.js";
import type { Health } from "./health.js";
import { HeldOperations } from "./held-operations.js";
import { Joining } from "./joining.js";
import { JointChanges, type JointChange } from "./joint-change.js";
import { AGREEMENT_COPY_BYTES_MAX, RECONNECT_DELAY_MS } from "./limits.js";
import { isLonghorn } from "./longhorn/longhorn-link.js";
import { chooseSource, type SourceRules } from "./membership.js";
import { OutOfSpace } from "./out-of-space.js";
import { Rebuild, type RebuildEnd } from "./rebuild.js";
import { Reconnecting } from "./reconnecting.js";
import { bytesOf, unionOfRegions, type Range } from "./region-ranges.js";
import type { ReplicaCounts } from "./replica-counts.js";
import type { ReplicaLink } from "./replica-link.js";
import type { ReplicaState, ResyncProgress } from "./replica-state.js";
import { Resync } from "./resync.js";
import { Returning } from "./returning.js";
import { Revisions } from "./revisions.js";
import { Roster } from "./roster.js";
import { NOTHING_STORED } from "./record-keeper.js";
import { isCopy, isMember, newSlot, type Slot } from "./slot.js";
import { SnapshotFollowers, type SnapshotCopier } from "./snapshot-followers.js";
import type { Takeover } from "./takeover.js";
import { WitnessWatch, type WitnessView } from "./witness-watch.js";

export interface ReplicaView {
  address: string;
  replicaId: string;
  state: ReplicaState;
  directory: string;
  /** what the last resync came to; null when there was none */
  lastResync: ResyncProgress | null;
  /** of the native Volume; null while nothing is connected */
  slot: number | null;
}

export interface ReplicaSetOptions {
  takeover: Takeover;
  /** bytes */
  size: number;
  rules: Omit<SourceRules, "lastEngineBootId" | "reverting">;
  /** closed with the replicas; null: there is none */
  witness: ReplicaLink | null;
  /** null: no snapshots while a replica is resynced */
  copier: SnapshotCopier | null;
  onHealth: (health: Health) => void;
  log: Logger;
}

/** One that was a member at start has told who it is. */
type MemberSlot = Slot & { facts: ReplicaFacts };

function isMemberSlot(slot: Slot): slot is MemberSlot {
  return isMember(slot) && slot.facts !== null;
}

/** Members first. */
function slotsOf({ members, leftOut }: Takeover): Slot[] {
  const current = members.map((member, index) =>
    newSlot({ ...member, index, state: { mode: "CONNECTING" } }),
  );
  const others = leftOut.map(({ address, replicaId, cause, link }, i) =>
    newSlot({
      ...{ index: members.length + i, address, link, replicaId: replicaId ?? "", facts: null },
      ...{ stored: NOTHING_STORED, readable: false, state: { mode: "ERR", cause } },
    }),
  );
  return [...current, ...others];
}

const MUTATIONS: ReadonlySet<string> = new Set([
  "write",
  "unmap",
  "writeZeroes",
  "compareAndWrite",
  "orWrite",
]);

export class ReplicaSet {
  readonly #roster: Roster;
  readonly #dropping: Dropping;
  readonly #reconnecting: Reconnecting;
  readonly #held: HeldOperations;
  readonly #outOfSpace: OutOfSpace;
  readonly #revisions: Revisions;
  readonly #agreement: Agreement;
  readonly #jointChanges: JointChanges;
  readonly #returning: Returning;
  readonly #rebuild: Rebuild;
  readonly #witness: WitnessWatch;
  readonly #rules: Omit<SourceRules, "reverting">;

  constructor(volume: Volume, { takeover, size, rules, witness, copier, onHealth, log }: ReplicaSetOptions) {
    const { keeper, lastEngineBootId } = takeover;
    const roster = new Roster({ volume, keeper, slots: slotsOf(takeover), size, onHealth, log });
    this.#roster = roster;
    this.#dropping = new Dropping(roster);
    this.#reconnecting = new Reconnecting(roster, this.#dropping);
    this.#held = new HeldOperations(roster, this.#dropping);
    this.#outOfSpace = new OutOfSpace(roster, this.#dropping, this.#held);
    this.#revisions = new Revisions(roster, this.#dropping);
    this.#agreement = new Agreement(roster, this.#held, this.#revisions);
    const followers = new SnapshotFollowers(roster, this.#dropping, copier);
    this.#jointChanges = new JointChanges(roster, this.#dropping, followers);
    this.#witness = new WitnessWatch(roster, this.#dropping, witness);
    const joining = new Joining(roster, this.#dropping, this.#revisions, this.#witness);
    this.#returning = new Returning(roster, new Resync(roster, joining, followers));
    this.#rebuild = new Rebuild(roster, this.#dropping, joining, this.#jointChanges, followers);
    this.#rules = { ...rules, lastEngineBootId };
  }

  get generation(): number {
    return this.#roster.keeper.generation;
  }

  get engineState(): Uint8Array {
    return this.#roster.keeper.engineState;
  }

  replicas(): ReplicaView[] {
    return this.#roster.slots.map(({ address, replicaId, state, facts, index, lastResync }) => ({
      address,
      replicaId,
      state,
      directory: facts?.directory ?? "",
      lastResync: state.mode === "RESYNC" ? state.progress : lastResync,
      slot: index,
    }));
  }

  counts(): Readonly<ReplicaCounts> {
    return this.#roster.counts;
  }

  /** null: there is none */
  witness(): WitnessView | null {
    return this.#witness.view();
  }

  /** See WitnessWatch. */
  setWitness(address: string | null): void {
    this.#witness.set(address);
  }

  // -------------------------------------------------------------------------------------------- start and stop

  /** Connects all members and lets I/O in; agreement goes on in the background.
   * @throws when none can be connected, or none of those that can is known to hold every acknowledged write */
  async start(): Promise<void> {
    await this.#roster.decisions.run(() => this.#start());
    for (const slot of this.#roster.slots) this.#returning.watch(slot);
    this.#roster.lease.watch();
    this.#witness.watch();
    this.#dropping.settleLater();
  }

  async #start(): Promise<void> {
    const roster = this.#roster;
    const connected = await this.#connectMembers();
    const source = chooseSource(connected, { ...this.#rules, reverting: roster.keeper.reverting });
    if (source.type === "lost-writes") {
      await roster.finish({ type: "writesLost", reason: source.evidence });
      return;
    }
    const from = connected[source.index];
    if (from === undefined) throw new Error("no source");
    await this.#dropping.dropUnlike(from, connected);
    const members = connected.filter(({ state }) => state.mode === "CONNECTING");
    const regions = await Promise.all(
      members.map(({ link, ...slot }) => link.inheritedRegions(roster.request(slot))),
    );
    const ranges = members.length > 1 ? unionOfRegions(regions, roster.size, AGREEMENT_COPY_BYTES_MAX) : [];
    await roster.lease.renew();
    // The source last: with it I/O starts, and every write has to reach all.
    for (const slot of [...members.filter((member) => member !== from), from]) {
      const readable = slot === from || ranges.length === 0;
      // Longhorn would take it for a copy if it were started with it before they are equal.
      if (!readable && isLonghorn(slot.link)) await slot.link.setRebuilding(true);
      roster.apply(slot, { type: "connected", differingBytes: readable ? null : bytesOf(ranges) });
      await roster.volume.setMode(slot.index, readable ? "RW" : "WO");
      if (!readable)
        await roster.volume.holdReads(
          slot.index,
          ranges.flatMap(({ offset, length }) => [offset, length]),
        );
    }
    roster.publish();
    const inherited = regions.some(({ bitmap }) => bitmap.some((byte) => byte !== 0));
    if (inherited || members.some(({ facts }) => facts.lostWrites))
      void this.#agreement.run(from, members, ranges);
  }

  /** Connects all members; those that cannot be are dropped, if they are not needed.
   * @returns those that are there */
  async #connectMembers(): Promise<MemberSlot[]> {
    const members = this.#roster.slots.filter(isMemberSlot);
    const tried = await Promise.all(
      members.map(async (slot) => ({ slot, problem: await this.#reconnecting.open(slot) })),
    );
    const missing = tried.flatMap(({ slot, problem }) =>
      problem === null ? [] : [{ slot, cause: problem }],
    );
    const present = tried.flatMap(({ slot, problem }) => (problem === null ? [slot] : []));
    if (missing.length === 0) return present;
    const causes = missing.map(({ slot, cause }) => `${slot.address}: ${cause}`).join("; ");
    const better =
      missing.some(({ slot }) => !slot.facts.lostWrites) && present.every(({ facts }) => facts.lostWrites);
    if (better || present.length === 0) {
      throw new Error(`no replica that holds every acknowledged write can be connected: ${causes}`);
    }
    if (!(await this.#dropping.drop(missing))) {
      throw new Error(`no replica recorded that others cannot be connected: ${causes}`);
    }
    return present.filter(({ state }) => state.mode === "CONNECTING");
  }

  /** Orderly end: everything durable and equal, and the replicas know it.
   * @returns whether nothing is left to be compared at the next start */
  async stop(): Promise<boolean> {
    const roster = this.#roster;
    if (roster.end !== null) return false;
    await roster.volume.quiesce();
    roster.stop();
    const unequal = roster.volume.stats().differing > 0;
    if (unequal || roster.members().some(({ state }) => state.mode !== "RW")) return false;
    const release = (slot: Slot) => slot.link.release(roster.openingRequest(slot));
    try {
      // What was sent again to a replica that had gone away was counted twice.
      await roster.decisions.run(() => this.#revisions.raise());
      await Promise.all(roster.members().map(release));
      return true;
    } catch (err) {
      // Whoever could not be told is compared with the others at the next start.
      roster.log.warn({ err }, "replicas could not be released");
      return false;
    }
  }

  /** Ends all loops and control connections at once. */
  close(): void {
    this.#roster.stop();
    for (const { link } of this.#roster.slots) link.close();
    this.#witness.close();
  }

  // -------------------------------------------------------------------------------------------- events

  onSlotEvent(event: SlotEvent): void {
    const { signal, log, decisions } = this.#roster;
    const slot = this.#roster.slot(event.slot);
    // A replica that is released ends its stream.
    if (slot === undefined || signal.aborted) return;
    if (event.type === "disconnected") slot.breaks += 1;
    const { breaks } = slot;
    log.warn({ replica: slot.address, event }, "replica trouble");
    decisions.post(async () => {
      // The end of a stream that has been replaced meanwhile.
      if (event.type === "disconnected" && breaks <= slot.breaksAtConnect) return;
      await this.#handle(slot, event);
    });
  }

  /** See Agreement. */
  onReadWaits(range: Range): void {
    this.#agreement.hurry(range);
  }

  async #handle(slot: Slot, event: SlotEvent): Promise<void> {
    const roster = this.#roster;
    const again = () => roster.later(() => this.#handle(slot, event), RECONNECT_DELAY_MS);
    if (roster.end !== null || slot.state.mode === "ERR") return;
    if (slot.state.mode === "AWAY") {
      // What it answered to operations that were sent again counts once it is back.
      if (event.type !== "disconnected") again();
      return;
    }
    if (slot.state.mode === "RESYNC") {
      // Nobody's copy yet: what it takes part in need not wait for it.
      if (!(await this.#dropping.drop([{ slot, cause: causeOf(event) }]))) again();
      return;
    }
    const remedy = isLonghorn(slot.link)
      ? remedyForLonghorn(event, roster.otherCopy(slot))
      : remedyFor(event, roster.otherCopy(slot));
    switch (remedy.type) {
      case "drop":
        if (!(await this.#dropping.drop([{ slot, cause: remedy.cause }]))) again();
        break;
      case "end":
        // Another copy that is away may come back, or be let go.
        if (roster.slots.some((other) => other !== slot && isCopy(other))) again();
        else
          await roster.finish({
            type: "writesLost",
            reason: `replica ${slot.address}, the only copy: ${remedy.reason}`,
          });
        break;
      case "reconnect":
        this.#reconnecting.begin(slot, remedy.reason);
        break;
      case "wait":
        slot.silent = { reason: remedy.reason };
        await this.#checkSilent(slot, event);
        break;
      case "gather":
        if (event.type === "failed")
          this.#outOfSpace.note(slot, { offset: event.offset, length: event.length });
        break;
      case "answer":
        if (event.type !== "failed") break;
        // A copy that is away would miss being made equal.
        if (roster.someAway()) again();
        else await this.#held.answer([slot], remedy.status, MUTATIONS.has(event.op) ? [event] : []);
        break;
    }
    roster.publish();
  }

  /** The last copy was silent: it may have answered since, or another copy may have come back. */
  async #checkSilent(slot: Slot, event: SlotEvent): Promise<void> {
    const roster = this.#roster;
    if (slot.silent === null || slot.state.mode === "ERR" || slot.state.mode === "AWAY") return;
    if (!this.#isSilent(slot)) slot.silent = null;
    else if (roster.otherCopy(slot)) await this.#handle(slot, event);
    else roster.later(() => this.#checkSilent(slot, event), RECONNECT_DELAY_MS);
    roster.publish();
  }

  #isSilent({ index }: Slot): boolean {
    return this.#roster.volume.stats().slots[index]?.timedOut === true;
  }

  // -------------------------------------------------------------------------------------------- what others ask

  /** Stores the engine's own small state durably on all members; one that does not take it is failed.
   * @throws when no member takes it */
  saveEngineState(bytes: Uint8Array): Promise<void> {
    return this.#roster.decisions.run(() => this.#dropping.saveEngineState(bytes));
  }

  /** See JointChanges. */
  changeTogether(change: JointChange): Promise<Map<string, Error>> {
    return this.#jointChanges.make(change);
  }

  /** See JointChanges. */
  breakOffChange(): void {
    this.#jointChanges.breakOff();
  }

  /** All replicas that are written have become larger. @param size bytes */
  grow(size: number): Promise<void> {
    return this.#roster.grow(size);
  }

  /** Adds a replica that gets every write from a change on that all copies make; `finishRebuild` makes it a copy.
   * @param link to its control port, which no replica of the volume has; closed with it
   * @returns who failed to make the change; when all did, the replica is not added
   * @throws {Error} why it is not added */
  async add(link: ReplicaLink, change: JointChange): Promise<Map<string, Error>> {
    const roster = this.#roster;
    const { address } = link;
    if (roster.end !== null) throw new Error(`the volume is not served: ${roster.end.reason}`);
    const slot = newSlot({
      ...{ index: roster.freeIndex(), address, link, replicaId: "", facts: null },
      ...{ stored: NOTHING_STORED, readable: false },
      state: { mode: "ERR", cause: "it is being added" },
    });
    // It comes back by itself only once it was a copy.
    slot.ordered = true;
    roster.slots.push(slot);
    try {
      return await this.#rebuild.begin(slot, change);
    } finally {
      if (slot.state.mode === "ERR")
        await roster.decisions.run(() => this.#discard(slot)).catch(roster.onError);
    }
  }

  /** All snapshots that the replica has now are copied to it from outside. */
  beginFiles(address: string): void {
    const slot = this.#slotAt(address);
    if (slot === undefined) return;
    slot.doubtful = [];
    this.#roster.filePacer.watch(slot);
  }

  /** See Rebuild. */
  async finishRebuild(address: string, end: RebuildEnd): Promise<void> {
    const slot = this.#slotAt(address);
    if (slot?.state.mode !== "RESYNC" || !slot.ordered)
      throw new Error(`replica ${address} is not being rebuilt`);
    await this.#rebuild.finish(slot, end);
    slot.ordered = false;
    this.#returning.watch(slot);
  }

  /** Whether one at that address is being made a copy again, though it may have been removed meanwhile. */
  looksAfter(address: string): boolean {
    return this.#returning.looksAfter(address);
  }

  /** Takes a replica out for good: durably no member, and nobody keeps what it misses.
   * @returns false when no other replica that may be read could record that: then it stays */
  async remove(address: string): Promise<boolean> {
    if (!(await this.fail(address, "removed"))) return false;
    const slot = this.#slotAt(address);
    if (slot !== undefined) await this.#roster.decisions.run(() => this.#discard(slot));
    return true;
  }

  async #discard(slot: Slot): Promise<void> {
    const { keeper, volume } = this.#roster;
    await volume.setMode(slot.index, "OFF");
    this.#roster.remove(slot);
    if (keeper.absenceOf(slot.replicaId) === null) return;
    keeper.forget(slot.replicaId);
    await this.#dropping.renew();
  }

  /** What calls of a replica's other services name, so that it does nothing for an engine that is not the recorded one any more.
   * @returns null: it has no part in the volume */
  requestFor(address: string): OpeningRequest | null {
    const slot = this.#slotAt(address);
    return slot === undefined || slot.state.mode === "ERR" ? null : this.#roster.openingRequest(slot);
  }

  #slotAt(address: string): Slot | undefined {
    return this.#roster.slots.find((slot) => slot.address === address);
  }

  /** Goes on without a replica, on somebody's order.
   * @returns false when no other replica that may be read could record that: then it stays */
  fail(address: string, cause: string): Promise<boolean> {
    return this.#roster.decisions.run(async () => {
      const slot = this.#slotAt(address);
      if (slot === undefined) return true;
      slot.announced = true;
      // Before it has failed: what makes it a copy again begins at once.
      const { ordered } = slot;
      slot.ordered = true;
      let failed = false;
      try {
        failed = slot.state.mode === "ERR" || (await this.#dropping.drop([{ slot, cause }]));
      } finally {
        if (!failed) slot.ordered = ordered;
      }
      return failed;
    });
  }

  /** See Agreement. */
  get wantsSettlement(): boolean {
    return this.#agreement.wantsSettlement;
  }

  /** See Agreement. */
  beginSettlement(): () => Promise<void> {
    return this.#agreement.beginSettlement();
  }
}
