/** A change that every replica of a volume makes between the same two writes: a snapshot, a revert, an expansion. */
import { setTimeout as sleep } from "node:timers/promises";
import type { CommitSnapshotRequest, PrepareSnapshotRequest } from "../proto/control.js";
import { isUnanswered } from "../proto/rpc-error.js";
import { DecisionQueue } from "./decision-queue.js";
import type { Dropping, Failing } from "./dropping.js";
import {
  AGREEMENT_RETRY_MS,
  JOINT_CHANGE_WAIT_MS,
  JOINT_FLUSH_SHORT_MS,
  JOINT_FLUSHES_MAX,
  JOINT_FLUSHES_MS_MAX,
  RECONNECT_DELAY_MS,
} from "./limits.js";
import { speaksLonghorn } from "./plain-file/file-link.js";
import { FencedError } from "./replica-link.js";
import type { Roster } from "./roster.js";
import type { Slot } from "./slot.js";
import type { SnapshotFollowers } from "./snapshot-followers.js";
import { formatTime } from "./timestamp.js";

export interface JointChange {
  /** makes it on one replica; has to end by itself, as I/O waits for it
   * @param address of the replica's control port
   * @param created RFC 3339, which the head of no replica has: of the heads of a revert */
  apply: (address: string, created: string) => Promise<unknown>;
  /** whether a failure leaves the replica as it was, so that it may stay although others succeeded */
  harmless?: (error: Error) => boolean;
  /** what was written goes with it: who is dropped lacks more than what it missed since, and replicas of which one made it, and another
   * did not, may have the same chains by their names: so it is recorded before */
  reverts?: boolean;
  /** the same change in two parts: what takes time is done while I/O goes on. Where a replica cannot do that, all of them
   * `apply` it */
  snapshot?: TwoParts;
}

interface TwoParts {
  request: Omit<PrepareSnapshotRequest, keyof CommitSnapshotRequest>;
  /** ms that a replica may take for the part that I/O waits for */
  commitTimeoutMs: number;
}

/** Whether replicas that are no copies yet can take part: in a snapshot, but not in an expansion. */
function isFollowed(snapshot: Pick<TwoParts, "request"> | undefined): boolean {
  return snapshot !== undefined && snapshot.request.expandTo === 0;
}

/** Who has only to commit a change. */
interface Prepared {
  /** its number */
  change: number;
  slots: readonly Slot[];
}

type Then = () => Promise<void>;

interface Head {
  file: string;
  /** RFC 3339 */
  created: string;
}

type Heads = ReadonlyMap<Slot, Head>;

/** A change that is being made, while I/O is held. */
interface Attempt {
  change: JointChange;
  prepared: Prepared | null;
  /** before it */
  heads: Heads;
  /** of the heads that a revert makes, RFC 3339 */
  created: string;
  then: Then | null;
  /** by address */
  failures: Map<string, Error>;
  /** of `performance.now`: until then a call that is on its way is waited for where nobody can record anything */
  until: number;
}

/** `again`: nothing was asked of anybody, as a replica went away meanwhile. `unknown`: nobody is known to have made the change. */
type Outcome = "ended" | "again" | "unknown";

/** The number of the last change in two parts: of the process, as the engine's id is, whatever is started in it anew. */
let lastChange = 0;

export class JointChanges {
  readonly #changes: DecisionQueue;
  #isBrokenOff = false;

  constructor(
    private readonly roster: Roster,
    private readonly dropping: Dropping,
    private readonly followers: SnapshotFollowers,
  ) {
    const { signal, onError } = roster;
    this.#changes = new DecisionQueue({ signal, onError });
  }

  /** Makes the change on all active replicas while no I/O is under way. Those that fail are dropped if one that may be read
   * succeeded; else those stay that are as they were. One that is no copy yet takes a snapshot as well, if it can. Where nobody
   * answers, I/O waits until it is known who made it: what is written would be lost with a revert that is still to come.
   * @param then what is to be done before I/O goes on, once a replica that may be read has made the change
   * @returns failures by address; empty when all succeeded
   * @throws {Error} when a replica is away for too long, or nothing is served any more; what `then` throws */
  make(change: JointChange, then: Then | null = null): Promise<Map<string, Error>> {
    // Heads tell who made the one before.
    return this.#changes.run(() => this.#make(change, then));
  }

  /** Whoever made the one that nobody has answered is not waited for any more: the volume is about to end, and the next start looks. */
  breakOff(): void {
    this.#isBrokenOff = true;
  }

  async #make(change: JointChange, then: Then | null): Promise<Map<string, Error>> {
    const deadline = performance.now() + JOINT_CHANGE_WAIT_MS;
    for (;;) {
      await this.#allPresent(change, deadline);
      const prepared = change.snapshot === undefined ? null : await this.#prepare(change.snapshot);
      const heads = await this.#heads(this.roster.members());
      if (change.reverts === true && heads.size < this.roster.members().length)
        throw new Error("a replica does not tell what its head is: try again later");
      if (prepared !== null) await this.#flushShortly();
      const attempt = {
        ...{ change, prepared, heads, created: createdUnlike(heads), then },
        ...{ failures: new Map<string, Error>(), until: Infinity },
      };
      if ((await this.#held(() => this.#attempt(attempt))) === "ended") return attempt.failures;
    }
  }

  /** What is durable now, I/O does not wait for while it is held: what is left is what comes while the last flush takes. So it is made
   * short: each finds less than the one before, as long as disks are faster than who writes. */
  async #flushShortly(): Promise<void> {
    const deadline = performance.now() + JOINT_FLUSHES_MS_MAX;
    for (let flushes = 0; flushes < JOINT_FLUSHES_MAX; flushes++) {
      const begin = performance.now();
      await this.roster.volume.flush(null);
      const end = performance.now();
      if (end - begin < JOINT_FLUSH_SHORT_MS || end >= deadline) return;
    }
  }

  async #held<T>(work: () => Promise<T>): Promise<T> {
    const { volume, counts, log } = this.roster;
    const begin = performance.now();
    // Not as a decision: what is in flight may need one to end.
    await volume.quiesce();
    const drained = performance.now();
    try {
      return await work();
    } finally {
      await volume.resume();
      const end = performance.now();
      counts.held(end - begin);
      log.info(
        { drainMs: drained - begin, changeMs: end - drained },
        "I/O was held for a change of all replicas",
      );
    }
  }

  async #allPresent({ snapshot }: JointChange, deadline: number): Promise<void> {
    const { roster, followers } = this;
    for (;;) {
      if (roster.end !== null) throw new Error(`the volume is not served: ${roster.end.reason}`);
      // Its content is not that of the volume yet.
      const resynced = followers.present();
      if (isFollowed(snapshot)) await followers.expect(resynced);
      else if (resynced[0] !== undefined)
        throw new Error(`replica ${resynced[0].address} is being resynced or rebuilt: try again later`);
      const problem = this.#unsettled();
      if (problem === null) return;
      if (performance.now() >= deadline) throw new Error(`${problem}: try again later`);
      await sleep(RECONNECT_DELAY_MS, undefined, { signal: roster.signal });
    }
  }

  /** Why members cannot make a change between the same two writes now; null when they can. */
  #unsettled(): string | null {
    if (this.roster.someAway()) return "a replica is away, and has neither come back nor failed yet";
    // What differs after a crash would stay different in the snapshot.
    if (this.roster.members().some(({ state }) => state.mode === "WO"))
      return "copies are being made equal after a crash";
    if (this.roster.volume.stats().differing > 0)
      return "copies are being made equal after a write that failed";
    return null;
  }

  /** @returns null when not all copies can */
  async #prepare({ request }: TwoParts): Promise<Prepared | null> {
    const { roster } = this;
    const slots = roster.members();
    const change = ++lastChange;
    const prepare = (slot: Slot) =>
      slot.link.prepareSnapshot({ ...roster.openingRequest(slot), ...request, change });
    const prepared = await Promise.all(slots.map((slot) => this.#didOrLeft(slot, prepare(slot))));
    if (prepared.every(Boolean)) {
      const followers = isFollowed({ request }) ? await this.followers.prepare(prepare) : [];
      return { change, slots: [...slots, ...followers] };
    }
    // Why not is told better by who is asked for the whole.
    const abandon = (slot: Slot) => slot.link.abandonSnapshot({ ...roster.request(slot), change });
    await Promise.allSettled(slots.map(abandon));
    return null;
  }

  /** Who is dropped meanwhile has no part in the change any more, and is not waited for.
   * @returns false: it is a member, and failed */
  async #didOrLeft(slot: Slot, work: Promise<unknown>): Promise<boolean> {
    const { roster } = this;
    let ended = false;
    const did = work.then(
      () => true,
      () => !roster.members().includes(slot),
    );
    const left = async () => {
      while (!ended && roster.members().includes(slot)) await sleep(RECONNECT_DELAY_MS);
      return true;
    };
    return Promise.race([did, left()]).finally(() => (ended = true));
  }

  async #attempt(attempt: Attempt): Promise<Outcome> {
    const { decisions, signal } = this.roster;
    this.#isBrokenOff = false;
    let outcome = await decisions.run(() => this.#apply(attempt));
    attempt.until = performance.now() + JOINT_CHANGE_WAIT_MS;
    while (outcome === "unknown") {
      this.#checkNotBrokenOff();
      outcome = await decisions.run(() => this.#lookWhoDid(attempt));
      // Meanwhile those that went away come back, or are let go.
      if (outcome === "unknown") await sleep(RECONNECT_DELAY_MS, undefined, { signal });
    }
    return outcome;
  }

  #checkNotBrokenOff(): void {
    if (this.#isBrokenOff) throw new Error("the volume ends before it is known who made the change");
  }

  async #apply(attempt: Attempt): Promise<Outcome> {
    const { roster, dropping, followers } = this;
    const { prepared, heads, failures } = attempt;
    const { reverts = false, harmless = () => false, snapshot } = attempt.change;
    if (!followers.areExpected(isFollowed(snapshot)) || this.#unsettled() !== null || roster.end !== null)
      return "again";
    const present = roster.members();
    if (prepared !== null && !present.every((slot) => prepared.slots.includes(slot))) return "again";
    if (reverts && !present.every((slot) => heads.has(slot))) return "again";
    if (reverts) await dropping.beginRevert(attempt.created);
    const slots = roster.members();
    // A snapshot may come to lie below its head.
    for (const { link, index } of slots)
      if (speaksLonghorn(link)) await roster.volume.setUnmapZeroes(index, false);
    const make = async (slot: Slot) => {
      try {
        await this.#makeOn(slot, attempt);
      } catch (error) {
        failures.set(slot.address, error as Error);
      }
    };
    await Promise.all(slots.map(make));
    const failing = slots.flatMap((slot) => {
      const error = failures.get(slot.address);
      return error === undefined || harmless(error) ? [] : [{ slot, cause: error.message }];
    });
    const survives = slots.some(({ address, state }) => state.mode === "RW" && !failures.has(address));
    // One that gave no answer may have made the change all the same.
    if (!survives && failing.length > 0) return "unknown";
    return this.#settle(attempt, survives, failing);
  }

  async #makeOn(slot: Slot, { change, prepared, created }: Attempt): Promise<void> {
    const { apply, snapshot } = change;
    if (snapshot === undefined || prepared?.slots.includes(slot) !== true) {
      await apply(slot.address, created);
      return;
    }
    const request = { ...this.roster.openingRequest(slot), change: prepared.change };
    try {
      await slot.link.commitSnapshot(request, snapshot.commitTimeoutMs);
    } catch (error) {
      // What it had prepared is gone, since another one took long over that, or it has restarted. That is no reason to lose a copy.
      if (!(error instanceof FencedError)) throw error;
      await apply(slot.address, created);
    }
  }

  /** @param survives one that may be read has made the change */
  async #settle(attempt: Attempt, survives: boolean, failing: Failing[]): Promise<Outcome> {
    const { snapshot, reverts = false } = attempt.change;
    if (survives && snapshot !== undefined && isFollowed(snapshot)) {
      const make = (slot: Slot) => this.#makeOn(slot, attempt);
      failing.push(...(await this.followers.take(snapshot.request.name, make)));
    }
    if (failing.length > 0) await this.#drop(failing);
    if (reverts) await this.dropping.endRevert();
    if (survives) await attempt.then?.();
    return "ended";
  }

  /** Each change makes another head. @returns their files, of those that tell */
  async #heads(slots: readonly Slot[]): Promise<Heads> {
    const heads = new Map<Slot, Head>();
    const ask = async (slot: Slot) => {
      const { chain, chainCreated } = await slot.link.identify();
      heads.set(slot, { file: chain[0] ?? "", created: chainCreated[0] ?? "" });
    };
    await Promise.allSettled(slots.map(ask));
    return heads;
  }

  /** Where none is known to have made the change: one that is as it was stays, and with it those that are known to be as it is. When
   * nobody is, all have made it, or may have. Whoever has not answered may be at it, and a call come late, until another record is
   * stored; where none can be, as on full disks, until all have answered something else in turn, and what was on its way has come. */
  async #lookWhoDid(attempt: Attempt): Promise<Outcome> {
    const { roster, dropping } = this;
    const { heads: before, failures } = attempt;
    if (roster.end !== null) throw new Error(`the volume is not served: ${roster.end.reason}`);
    if (roster.someAway()) return "unknown";
    if (!(await dropping.renew()))
      if (performance.now() < attempt.until || !(await this.#haveAnswered())) return "unknown";
    const slots = roster.members();
    const after = await this.#heads(slots);
    const copies = slots.filter(({ state }) => state.mode === "RW");
    if (!copies.some((slot) => after.has(slot))) return "unknown";
    const did = (slot: Slot): "unknown" | "nothing" | "change" => {
      const [then, now] = [before.get(slot), after.get(slot)];
      if (then === undefined || now === undefined) return "unknown";
      return then.file === now.file ? "nothing" : "change";
    };
    const copyThat = (done: string) => copies.find((slot) => did(slot) === done);
    const stays = copyThat("nothing") ?? copyThat("change") ?? copies[0];
    const isLike = (slot: Slot) =>
      slot === stays || (did(slot) !== "unknown" && stays && did(slot) === did(stays));
    const survives = stays !== undefined && did(stays) === "change";
    if (survives) for (const { address } of slots.filter(isLike)) failures.delete(address);
    const cause = "it is not known to have done what the others did about a change";
    const failing = slots.filter((slot) => !isLike(slot)).map((slot) => ({ slot, cause }));
    return this.#settle(attempt, survives, failing);
  }

  /** Whether all members have answered what was asked for in turn with changes. */
  async #haveAnswered(): Promise<boolean> {
    const { roster } = this;
    const answers = roster.members().map((slot) =>
      slot.link.inheritedRegions(roster.request(slot)).then(
        () => true,
        (error: unknown) => !mayStillDo(error as Error),
      ),
    );
    return (await Promise.all(answers)).every(Boolean);
  }

  /** I/O waits for this: those that failed may hold other data than the others by now, and must not be read again. */
  async #drop(failing: Failing[]): Promise<void> {
    const { roster, dropping } = this;
    const deadline = performance.now() + JOINT_CHANGE_WAIT_MS;
    while (!(await dropping.drop(failing))) {
      if (performance.now() >= deadline || roster.signal.aborted) {
        for (const { slot } of failing) await roster.withdraw(slot);
        roster.later(() => this.#dropLater(failing), AGREEMENT_RETRY_MS);
        throw new Error("no replica recorded that others failed");
      }
      await sleep(RECONNECT_DELAY_MS, undefined, { signal: roster.signal }).catch(() => undefined);
    }
  }

  async #dropLater(failing: Failing[]): Promise<void> {
    const left = failing.filter(({ slot }) => slot.state.mode !== "ERR");
    if (left.length === 0 || (await this.dropping.drop(left))) return this.dropping.endRevert();
    this.roster.later(() => this.#dropLater(left), AGREEMENT_RETRY_MS);
  }
}

/** Not when it was refused, or failed: whoever says so is done with it. */
function mayStillDo(error: Error): boolean {
  return !(error instanceof FencedError) && isUnanswered(error);
}

/** Now, or the first second after it that is not when one of `heads` was created. */
function createdUnlike(heads: Heads): string {
  const taken = new Set([...heads.values()].map(({ created }) => created));
  let ms = Date.now();
  while (taken.has(formatTime(ms))) ms += 1_000;
  return formatTime(ms);
}
