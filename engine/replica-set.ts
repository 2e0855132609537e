/**
 * The replicas of a running engine: owns the slots of the native Volume. It hears what goes wrong, decides one thing at
 * a time, and lets held operations go only when a failure is durably recorded on every survivor.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { StatusName, Volume, VolumeEvent } from "../native/index.js";
import type { EngineRequest, ReplicaFacts } from "../proto/control.js";
import { makeEqual } from "./agreement.js";
import { remedyFor } from "./failure-policy.js";
import {
  AGREEMENT_COPY_BYTES_MAX,
  AGREEMENT_RETRY_MS,
  NO_SPACE_GATHER_MS,
  RECONNECT_DELAY_MS,
  RECONNECT_DELAY_MS_MAX,
  RECONNECT_GRACE_MS,
} from "./limits.js";
import { chooseSource, type SourceRules } from "./membership.js";
import type { Holder, RecordKeeper } from "./record-keeper.js";
import { bytesOf, unionOfRegions, type Range } from "./region-ranges.js";
import { FencedError } from "./replica-link.js";
import { nextReplicaState, type ReplicaEvent, type ReplicaState } from "./replica-state.js";
import { judgeReturn, type ReturnVerdict } from "./return-verdict.js";
import { connectSlot } from "./slot-connection.js";
import type { Takeover } from "./takeover.js";

/** What the set is worth to initiators. */
export type Health =
  /** `shortOf`: why there are fewer copies than configured; null when there are not */
  | { type: "served"; shortOf: string | null }
  | { type: "waited"; reason: string }
  | { type: "writesLost"; reason: string }
  | { type: "fenced"; reason: string };

export interface ReplicaView {
  address: string;
  replicaId: string;
  state: ReplicaState;
  directory: string;
  /** slot of the native Volume; null for one that was left out at start */
  slot: number | null;
}

type Outcome = ReturnVerdict | { type: "unreachable"; reason: string };

interface Failing {
  slot: Slot;
  cause: string;
}

interface Slot extends Holder {
  index: number;
  address: string;
  facts: ReplicaFacts;
  state: ReplicaState;
  /** set while the last copy leaves operations unanswered */
  silent: { reason: string; bytesReceived: number } | null;
  /** set when it came back having lost writes, and no better copy is there */
  lost: string | null;
  /** how often its stream has ended, and how often it had when it was last connected */
  breaks: number;
  breaksAtConnect: number;
  /** its regions from before it went away can be forgotten after a whole settlement */
  restarted: boolean;
  /** what it had no space for, while the answers of others are awaited */
  noSpace: Range[];
}

export interface ReplicaSetOptions {
  takeover: Takeover;
  /** bytes */
  size: number;
  rules: Omit<SourceRules, "lastEngineBootId">;
  onHealth: (health: Health) => void;
  log: Logger;
}

const MUTATIONS: ReadonlySet<string> = new Set([
  "write",
  "unmap",
  "writeZeroes",
  "compareAndWrite",
  "orWrite",
]);

export class ReplicaSet {
  readonly #slots: Slot[];
  readonly #keeper: RecordKeeper;
  readonly #stop = new AbortController();
  readonly #log: Logger;
  #decisions: Promise<unknown> = Promise.resolve();
  #gathering = false;
  /** once set nothing is served any more */
  #end: Extract<Health, { type: "writesLost" | "fenced" }> | null = null;

  constructor(
    private readonly volume: Volume,
    private readonly options: ReplicaSetOptions,
  ) {
    this.#keeper = options.takeover.keeper;
    this.#log = options.log;
    this.#slots = options.takeover.members.map((member, index) => ({
      ...member,
      index,
      state: { mode: "CONNECTING" },
      silent: null,
      lost: null,
      breaks: 0,
      breaksAtConnect: 0,
      restarted: false,
      noSpace: [],
    }));
  }

  get generation(): number {
    return this.#keeper.generation;
  }

  get engineState(): Uint8Array {
    return this.#keeper.engineState;
  }

  replicas(): ReplicaView[] {
    const members = this.#slots.map(({ address, replicaId, state, facts, index }) => ({
      address,
      replicaId,
      state,
      directory: facts.directory,
      slot: index,
    }));
    const leftOut = this.options.takeover.leftOut.map(({ address, replicaId, cause }) => ({
      address,
      replicaId: replicaId ?? "",
      state: { mode: "ERR", cause } as const,
      directory: "",
      slot: null,
    }));
    return [...members, ...leftOut];
  }

  // -------------------------------------------------------------------------------------------- start and stop

  /** Connects all members and lets I/O in; agreement goes on in the background.
   * @throws when none can be connected, or none of those that can is known to hold every acknowledged write */
  start(): Promise<void> {
    return this.#decide(() => this.#start());
  }

  async #start(): Promise<void> {
    const problems = await Promise.all(this.#slots.map((slot) => this.#open(slot)));
    const missing = this.#slots.filter((slot) => problems[slot.index] !== null);
    const present = this.#slots.filter((slot) => problems[slot.index] === null);
    if (missing.length > 0) {
      const better =
        missing.some(({ facts }) => !facts.lostWrites) && present.every(({ facts }) => facts.lostWrites);
      const causes = missing.map(({ address, index }) => `${address}: ${problems[index] ?? ""}`).join("; ");
      if (better || present.length === 0) {
        throw new Error(`no replica that holds every acknowledged write can be connected: ${causes}`);
      }
      const dropped = await this.#drop(missing.map((slot) => ({ slot, cause: problems[slot.index] ?? "" })));
      if (!dropped) throw new Error(`no replica recorded that others cannot be connected: ${causes}`);
    }
    const members = present.filter(({ state }) => state.mode === "CONNECTING");
    const source = chooseSource(members, {
      ...this.options.rules,
      lastEngineBootId: this.options.takeover.lastEngineBootId,
    });
    if (source.type === "lost-writes") {
      await this.#finish({ type: "writesLost", reason: source.evidence });
      return;
    }
    const regions = await Promise.all(
      members.map(({ link, ...slot }) => link.inheritedRegions(this.#request(slot))),
    );
    const ranges =
      members.length > 1 ? unionOfRegions(regions, this.options.size, AGREEMENT_COPY_BYTES_MAX) : [];
    const from = members[source.index];
    if (from === undefined) throw new Error("no source");
    // The source last: with it I/O starts, and every write has to reach all.
    for (const slot of [...members.filter((member) => member !== from), from]) {
      const readable = slot === from || ranges.length === 0;
      this.#apply(slot, { type: "connected", differingBytes: readable ? null : bytesOf(ranges) });
      await this.volume.setMode(slot.index, readable ? "RW" : "WO");
    }
    this.#publish();
    const inherited = regions.some(({ bitmap }) => bitmap.some((byte) => byte !== 0));
    if (inherited || members.some(({ facts }) => facts.lostWrites)) void this.#agree(from, members, ranges);
  }

  /** Connects a member's stream, again for a while: its daemon may just restart.
   * @returns what went wrong, or null */
  async #open(slot: Slot): Promise<string | null> {
    const deadline = Date.now() + RECONNECT_GRACE_MS;
    for (;;) {
      try {
        await this.#connect(slot, slot.stored.generation);
        return null;
      } catch (error) {
        if (Date.now() >= deadline) return (error as Error).message;
        this.#log.warn({ err: error, replica: slot.address }, "replica could not be connected");
      }
      await sleep(RECONNECT_DELAY_MS, undefined, { signal: this.#stop.signal });
    }
  }

  /** Orderly end: everything durable and equal, and the replicas know it.
   * @returns whether nothing is left to be compared at the next start */
  async stop(): Promise<boolean> {
    if (this.#end !== null) return false;
    await this.volume.quiesce();
    this.#stop.abort();
    const active = this.#slots.filter(({ state }) => state.mode !== "ERR");
    if (active.some(({ state }) => state.mode !== "RW")) return false;
    await Promise.all(active.map(({ link, ...slot }) => link.release(this.#request(slot))));
    return true;
  }

  /** Ends all loops and control connections at once. */
  close(): void {
    this.#stop.abort();
    for (const { link } of this.#slots) link.close();
  }

  // -------------------------------------------------------------------------------------------- events

  onVolumeEvent(event: VolumeEvent): void {
    const slot = this.#slots[event.slot];
    // A replica that is released ends its stream.
    if (slot === undefined || this.#stop.signal.aborted) return;
    if (event.type === "disconnected") slot.breaks += 1;
    const { breaks } = slot;
    this.#log.warn({ replica: slot.address, event }, "replica trouble");
    this.#decide(async () => {
      // The end of a stream that has been replaced meanwhile.
      if (event.type === "disconnected" && breaks <= slot.breaksAtConnect) return;
      await this.#handle(slot, event);
    }).catch((err: unknown) => this.#onDecisionError(err));
  }

  async #handle(slot: Slot, event: VolumeEvent): Promise<void> {
    if (this.#end !== null || slot.state.mode === "ERR") return;
    if (slot.state.mode === "AWAY") {
      // What it answered to operations that were sent again counts once it is back.
      if (event.type !== "disconnected") this.#later(() => this.#handle(slot, event));
      return;
    }
    const remedy = remedyFor(event, this.#otherCopy(slot));
    switch (remedy.type) {
      case "drop":
        if (!(await this.#drop([{ slot, cause: remedy.cause }])))
          this.#later(() => this.#handle(slot, event));
        break;
      case "reconnect":
        this.#apply(slot, { type: "linkLost", reason: remedy.reason });
        slot.silent = null;
        void this.#reconnect(slot).catch((err: unknown) => this.#onDecisionError(err));
        break;
      case "wait":
        slot.silent = { reason: remedy.reason, bytesReceived: this.#bytesReceived(slot) };
        this.#later(() => this.#checkSilent(slot, event));
        break;
      case "gather":
        if (event.type === "failed") slot.noSpace.push({ offset: event.offset, length: event.length });
        this.#gatherNoSpace();
        break;
      case "answer":
        if (event.type !== "failed") break;
        // A copy that is away would miss being made equal.
        if (this.#someAway()) this.#later(() => this.#handle(slot, event));
        else await this.#answerHeld([slot], remedy.status, MUTATIONS.has(event.op) ? [event] : []);
        break;
    }
    this.#publish();
  }

  /** The last copy was silent: it may have answered since, or another copy may have come back. */
  async #checkSilent(slot: Slot, event: VolumeEvent): Promise<void> {
    if (slot.silent === null || slot.state.mode === "ERR" || slot.state.mode === "AWAY") return;
    if (this.#bytesReceived(slot) !== slot.silent.bytesReceived) slot.silent = null;
    else if (this.#otherCopy(slot)) await this.#handle(slot, event);
    else this.#later(() => this.#checkSilent(slot, event));
    this.#publish();
  }

  // -------------------------------------------------------------------------------------------- failing a replica

  /** Records on all survivors that `failing` failed, durably, and only then lets their operations go.
   * @returns false when no survivor could record it: then nothing has been decided */
  async #drop(failing: Failing[]): Promise<boolean> {
    const survivors = this.#slots.filter(
      (slot) => slot.state.mode !== "ERR" && !failing.some((failed) => failed.slot === slot),
    );
    const failures = await this.#record(survivors);
    if (failures === null) {
      this.#log.warn(
        { failing: failing.map(({ slot }) => slot.address) },
        "no survivor could record the failure",
      );
      return false;
    }
    for (const { slot, cause } of [...failing, ...failures]) {
      this.#apply(slot, { type: "failed", cause });
      slot.silent = null;
      await this.volume.setMode(slot.index, "OFF");
    }
    this.#publish();
    return true;
  }

  /** @returns who did not record it; null when nobody did who could stand alone */
  async #record(members: Slot[], engineState?: Uint8Array): Promise<Failing[] | null> {
    for (const slot of members) slot.readable = isCopy(slot.state);
    const advance = await this.#keeper.advance(members, engineState);
    if (advance === null) return null;
    return advance.failures.map(({ holder, error }) => ({
      slot: holder,
      cause: `did not record: ${error.message}`,
    }));
  }

  /** Another replica that holds every acknowledged write, is connected and answers. */
  #otherCopy(slot: Slot): boolean {
    return this.#slots.some((other) => other !== slot && other.state.mode === "RW" && other.silent === null);
  }

  #someAway(): boolean {
    return this.#slots.some(({ state }) => state.mode === "AWAY");
  }

  // -------------------------------------------------------------------------------------------- reconnecting

  async #reconnect(slot: Slot): Promise<void> {
    const since = Date.now();
    let delayMs = RECONNECT_DELAY_MS;
    for (;;) {
      if (this.#stop.signal.aborted || slot.state.mode !== "AWAY") return;
      const outcome = await this.#tryReturn(slot);
      if (await this.#decide(() => this.#judge(slot, outcome, since))) return;
      await sleep(delayMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      delayMs = Math.min(delayMs * 2, RECONNECT_DELAY_MS_MAX);
    }
  }

  /** Asks the replica who it is, connects it, and asks again: its machine may have restarted in between. */
  async #tryReturn(slot: Slot): Promise<Outcome> {
    try {
      const facts = await slot.link.identify();
      const before = judgeReturn(facts, this.#known(slot));
      if (before.type !== "same") return before;
      slot.facts = facts;
      await this.#connect(slot, before.generation);
      return judgeReturn(await slot.link.identify(), this.#known(slot));
    } catch (error) {
      return { type: "unreachable", reason: (error as Error).message };
    }
  }

  /** @returns whether nothing is left to be tried */
  async #judge(slot: Slot, outcome: Outcome, since: number): Promise<boolean> {
    if (this.#end !== null || slot.state.mode !== "AWAY") {
      // Dropped while its stream came back.
      if (slot.state.mode === "ERR") await this.volume.setMode(slot.index, "OFF");
      return true;
    }
    const grace = Date.now() - since < RECONNECT_GRACE_MS;
    switch (outcome.type) {
      case "same":
        if (slot.breaks > slot.breaksAtConnect) return false;
        slot.stored = { engineId: this.#keeper.engineId, generation: outcome.generation };
        slot.lost = null;
        slot.restarted = true;
        this.#apply(slot, { type: "linkRestored" });
        this.#publish();
        return true;
      case "fenced":
        await this.#finish({ type: "fenced", reason: `replica ${slot.address}: ${outcome.reason}` });
        return true;
      case "lost":
        slot.lost = outcome.reason;
        if (this.#otherCopy(slot)) return this.#drop([{ slot, cause: outcome.reason }]);
        return this.#judgeLoss();
      case "unreachable":
        this.#apply(slot, { type: "linkLost", reason: outcome.reason });
        this.#publish();
        return !grace && this.#otherCopy(slot) ? this.#drop([{ slot, cause: outcome.reason }]) : false;
    }
  }

  /** All copies came back without acknowledged writes: serving on would be silent loss. */
  async #judgeLoss(): Promise<boolean> {
    const copies = this.#slots.filter(({ state }) => state.mode !== "ERR");
    if (copies.some(({ lost }) => lost === null)) return false;
    const reason = copies.map(({ address, lost }) => `replica ${address}: ${lost ?? ""}`).join("; ");
    await this.#finish({ type: "writesLost", reason });
    return true;
  }

  // -------------------------------------------------------------------------------------------- out of space

  #gatherNoSpace(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    this.#later(() => this.#settleNoSpace(), NO_SPACE_GATHER_MS);
  }

  /** All copies full: the write fails and nothing else. Some full: those lack what the others hold, and are dropped. */
  async #settleNoSpace(): Promise<void> {
    this.#gathering = false;
    const full = this.#slots.filter(({ noSpace, state }) => noSpace.length > 0 && state.mode !== "ERR");
    if (full.length === 0) return;
    const copies = this.#slots.filter(({ state }) => state.mode === "RW");
    if (this.#someAway()) {
      this.#gatherNoSpace();
    } else if (copies.every((copy) => full.includes(copy))) {
      const touched = full.flatMap(({ noSpace }) => noSpace);
      for (const slot of full) slot.noSpace = [];
      await this.#answerHeld(full, "NO_SPACE", touched);
    } else if (
      !(await this.#drop(full.map((slot) => ({ slot, cause: "out of space, while another replica is not" }))))
    ) {
      this.#gatherNoSpace();
    }
  }

  /** Answers what is held at `slots` with an error, and makes the copies equal where they now may differ.
   * @param touched ranges of changes that were done by some replicas only */
  async #answerHeld(slots: Slot[], status: StatusName, touched: Range[]): Promise<void> {
    const from =
      slots.find(({ state }) => state.mode === "RW") ?? this.#slots.find(({ state }) => state.mode === "RW");
    const others = this.#slots.filter(
      (slot) => slot !== from && (slot.state.mode === "RW" || slot.state.mode === "WO"),
    );
    // Queued behind the failed operation and before any later one: nobody reads the range in between.
    const copies = touched.flatMap(({ offset, length }) =>
      from === undefined
        ? []
        : others.map((to) => ({ from, to, done: this.volume.copy(from.index, to.index, offset, length) })),
    );
    for (const { from: source, to, done } of copies) {
      done.catch((err: unknown) => {
        this.#log.error(
          { err, from: source.address, to: to.address },
          "copies could not be made equal after a failed write",
        );
        // Until it is dropped nobody may read the difference.
        this.#later(async () => {
          if (to.state.mode !== "ERR") await this.volume.setMode(to.index, "WO");
          await this.#dropUnequal(source, to, "could not be made equal after a failed write");
        }, 0);
      });
    }
    for (const { index } of slots) await this.volume.failHeld(index, status);
  }

  async #dropUnequal(from: Slot, to: Slot, cause: string): Promise<void> {
    if (from.state.mode === "ERR" || to.state.mode === "ERR") return;
    if (!(await this.#drop([{ slot: to, cause }]))) this.#later(() => this.#dropUnequal(from, to, cause));
  }

  // -------------------------------------------------------------------------------------------- agreement

  async #agree(from: Slot, members: Slot[], ranges: Range[]): Promise<void> {
    const targets = members.filter((slot) => slot !== from && slot.state.mode === "WO");
    const { volume } = this;
    const { signal } = this.#stop;
    const tasks = targets.map((to) =>
      makeEqual({
        volume,
        from: from.index,
        to: to.index,
        ranges,
        wanted: () => to.state.mode !== "ERR" && from.state.mode !== "ERR",
        onCopied: (bytes) => {
          if (to.state.mode !== "ERR") this.#apply(to, { type: "reconciled", bytes });
        },
        onRefused: (error) => this.#later(() => this.#dropUnequal(from, to, error.message)),
        signal,
        log: this.#log,
      }),
    );
    await Promise.all(tasks);
    while (!signal.aborted && this.#end === null) {
      try {
        // What was copied, and what a copy only had in its page cache, has to be durable before it is forgotten.
        await volume.flush(null);
        if (await this.#decide(() => this.#agreed(targets))) return;
      } catch (err) {
        this.#log.warn({ err }, "agreement could not be completed; it is tried again");
      }
      await sleep(AGREEMENT_RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** @returns false when a replica is away: it has to hear of it as well */
  async #agreed(targets: Slot[]): Promise<boolean> {
    const members = this.#slots.filter(({ state }) => state.mode !== "ERR");
    if (members.some(({ state }) => state.mode === "AWAY")) return false;
    await Promise.all(members.map((slot) => this.#tellAgreed(slot)));
    for (const slot of targets) {
      if (slot.state.mode !== "WO") continue;
      this.#apply(slot, { type: "agreed" });
      await this.volume.setMode(slot.index, "RW");
    }
    this.#publish();
    return true;
  }

  async #tellAgreed(slot: Slot): Promise<void> {
    try {
      await slot.link.agreed(this.#request(slot));
    } catch (error) {
      if (error instanceof FencedError) await this.#askWhoOwns(slot);
      throw error;
    }
  }

  /** A refusal may mean a rival, or only that the replica stored a record whose answer was lost. */
  async #askWhoOwns(slot: Slot): Promise<void> {
    const verdict = judgeReturn(await slot.link.identify(), this.#known(slot));
    if (verdict.type === "same") slot.stored = { ...slot.stored, generation: verdict.generation };
    if (verdict.type === "fenced") await this.#finish(verdict);
  }

  /** Whether a settlement would let a replica forget what it inherited from its own restart. */
  get wantsSettlement(): boolean {
    return this.#slots.some(({ restarted, state }) => restarted && state.mode === "RW");
  }

  /** To be called before a round of settlement, and its result after it: everything written before is then equal and
   * durable on all copies, so that replicas which had restarted before the round forget what they inherited. */
  beginSettlement(): () => Promise<void> {
    const restarted = this.#slots
      .filter((slot) => slot.restarted)
      .map((slot) => ({ slot, breaks: slot.breaks }));
    return () =>
      this.#decide(async () => {
        const active = this.#slots.filter(({ state }) => state.mode !== "ERR");
        if (active.some(({ state }) => state.mode !== "RW")) return;
        for (const { slot, breaks } of restarted) {
          if (!active.includes(slot) || slot.breaks !== breaks) continue;
          await this.#tellAgreed(slot);
          slot.restarted = false;
        }
      });
  }

  // -------------------------------------------------------------------------------------------- the engine's state

  /** Stores the engine's own small state durably on all members; one that does not take it is failed.
   * @throws when no member takes it */
  saveEngineState(bytes: Uint8Array): Promise<void> {
    return this.#decide(async () => {
      const failures = await this.#record(
        this.#slots.filter(({ state }) => state.mode !== "ERR"),
        bytes,
      );
      if (failures === null) throw new Error("no replica stored the engine's state");
      for (const { slot, cause } of failures) {
        this.#apply(slot, { type: "failed", cause });
        await this.volume.setMode(slot.index, "OFF");
      }
      this.#publish();
    });
  }

  // -------------------------------------------------------------------------------------------- helpers

  /** One decision at a time, in the order asked for. */
  #decide<T>(decision: () => Promise<T>): Promise<T> {
    const result = this.#decisions.then(decision);
    this.#decisions = result.catch(() => undefined);
    return result;
  }

  #later(decision: () => Promise<void>, delayMs = RECONNECT_DELAY_MS): void {
    setTimeout(() => {
      if (this.#stop.signal.aborted || this.#end !== null) return;
      this.#decide(decision).catch((err: unknown) => this.#onDecisionError(err));
    }, delayMs);
  }

  #onDecisionError(err: unknown): void {
    if (err instanceof FencedError) {
      void this.#decide(() => this.#finish({ type: "fenced", reason: err.message }));
    } else if (!this.#stop.signal.aborted) {
      this.#log.error({ err }, "a decision about replicas failed");
    }
  }

  async #finish(end: Extract<Health, { type: "writesLost" | "fenced" }>): Promise<void> {
    if (this.#end !== null) return;
    this.#end = end;
    await this.volume.refuse("IO_ERROR");
    for (const { index } of this.#slots) await this.volume.failHeld(index, "IO_ERROR");
    await this.volume.failHeld(null, "IO_ERROR");
    this.#publish();
  }

  #apply(slot: Slot, event: ReplicaEvent): void {
    const from = slot.state;
    slot.state = nextReplicaState(from, event);
    if (from.mode !== slot.state.mode) {
      this.#log.info(
        { replica: slot.address, from: from.mode, to: slot.state.mode, event },
        "replica state changed",
      );
    }
  }

  #publish(): void {
    this.options.onHealth(this.#end ?? this.#health());
  }

  #health(): Health {
    const waiting = this.#slots.flatMap(({ address, state, silent }) => {
      const reason = state.mode === "AWAY" ? state.reason : silent?.reason;
      return reason === undefined ? [] : [`replica ${address}: ${reason}`];
    });
    if (waiting.length > 0) return { type: "waited", reason: waiting.join("; ") };
    const failed = this.replicas().flatMap(({ address, state }) =>
      state.mode === "ERR" ? [`replica ${address}: ${state.cause}`] : [],
    );
    return { type: "served", shortOf: failed.length > 0 ? failed.join("; ") : null };
  }

  #request({ stored }: Pick<Slot, "stored">): EngineRequest {
    return { engineId: this.#keeper.engineId, generation: stored.generation };
  }

  #known({ replicaId }: Slot) {
    const { volume, engineId, generation } = this.#keeper;
    return { volume, replicaId, engineId, generation };
  }

  async #connect(slot: Slot, generation: number): Promise<void> {
    const { address, facts, index } = slot;
    await connectSlot(this.volume, {
      slot: index,
      address,
      facts,
      engineId: this.#keeper.engineId,
      generation,
    });
    slot.breaksAtConnect = slot.breaks;
  }

  #bytesReceived({ index }: Slot): number {
    return this.volume.stats().slots[index]?.bytesReceived ?? 0;
  }
}

/** Whether the volume could live from this replica alone. */
function isCopy(state: ReplicaState): boolean {
  return (
    state.mode === "RW" || state.mode === "CONNECTING" || (state.mode === "AWAY" && state.was.mode === "RW")
  );
}
