/**
 * A volume as Longhorn's clients drive it: started with replicas that were closed, snapshotted, reverted, expanded,
 * offered by a frontend, shut down, and started again. One change at a time; questions are answered meanwhile.
 */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { AttachedVolume } from "../attached-volume.js";
import { readBootId } from "../boot-id.js";
import { withDeadline } from "../deadline.js";
import { DecisionQueue } from "../decision-queue.js";
import { holdAndRelease } from "../hand-over/give.js";
import { CLOSE_MS } from "../hand-over/limits.js";
import { HandOverOffer } from "../hand-over/offer.js";
import { HandOver } from "../hand-over/take.js";
import type { Health } from "../health.js";
import { MEMBERS_WAIT_MS } from "../limits.js";
import { ReplicaLink } from "../replica-link.js";
import { MembershipError } from "../takeover.js";
import {
  ReplicaMode,
  type Metrics,
  type Replica,
  type SyncFileInfo,
  type Volume,
} from "../../proto/longhorn.js";
import { errorText, RpcError, withContext } from "../../proto/rpc-error.js";
import { grpcAddress } from "../client/addresses.js";
import { snapshotFile } from "../client/snapshots.js";
import {
  expansionErrorText,
  expansionFailure,
  isUndone,
  type ExpansionFailure,
} from "./expansion-failure.js";
import { Expansion } from "./expansion.js";
import { newFrontend, type Frontend } from "./frontend.js";
import { EXPAND_CALL_TIMEOUT_MS, SALVAGE_WAIT_MS } from "./limits.js";
import { MetricsSampler } from "./metrics.js";
import type { ControllerOptions } from "./options.js";
import { copyRevision, loadRebuilt, prepareRebuild } from "./rebuild.js";
import { ReplicaEntry } from "./replica-entry.js";
import { bestForSalvage } from "./salvage.js";
import { maxCountRefusal, maxSizeRefusal, snapshotRefusal } from "./snapshot-limits.js";
import { volumeSizeAtStart } from "./start-size.js";

/** None of the replicas given can be used. */
export class NoBackendError extends Error {
  override readonly name = "NoBackendError";
  /** @param unreachable at least one could not be asked: it may be fine */
  constructor(
    readonly unreachable: boolean,
    addresses: readonly string[],
  ) {
    const cause = unreachable ? "service unavailable" : "replica error";
    super(`no available backend due to ${cause} from the addresses [${addresses.join(" ")}]`);
  }
}

interface Opened {
  entry: ReplicaEntry;
  replica: Replica;
}

/** What was handed over, while it may come back. */
interface Given {
  attached: AttachedVolume;
  /** null when none was up */
  frontend: Frontend | null;
  entries: ReplicaEntry[];
  unitState: Buffer | null;
}

/** What a volume is started from that another engine served, or this one. */
interface Succession {
  unitState: Buffer | null;
  /** ids of the only engines that may have been in charge; null: any */
  after: readonly string[] | null;
}

const GRPC_UNAVAILABLE = 14;

const MODE_NAMES = new Map<number | undefined, string>(
  Object.entries(ReplicaMode).map(([name, mode]) => [mode, name]),
);

export class Controller {
  readonly #changes: DecisionQueue;
  readonly #stop = new AbortController();
  readonly #metrics: MetricsSampler;
  readonly #expansion = new Expansion();
  readonly #engineId = randomUUID();
  readonly #verifying = new Map<ReplicaEntry, Promise<void>>();
  /** of replicas that were removed, by address */
  readonly #closing = new Map<string, Promise<void>>();
  #entries: ReplicaEntry[] = [];
  #attached: AttachedVolume | null = null;
  #frontend: Frontend | null;
  #frontendUp = false;
  #size: number;
  #unmapMark: boolean;
  #maxCount: number;
  #maxSize: number;
  #offer: HandOverOffer | null = null;
  #given: Given | null = null;

  /** @param onEnd called with the reason when nothing is left to do but end
   * @throws {Error} for a frontend that is not known */
  constructor(
    readonly options: ControllerOptions,
    private readonly onEnd: (reason: string) => void,
    private readonly log: Logger,
  ) {
    this.#size = 0;
    this.#unmapMark = options.unmapMarkSnapChainRemoved;
    this.#maxCount = options.snapshotMaxCount;
    this.#maxSize = options.snapshotMaxSize;
    this.#frontend = options.frontend === "" ? null : this.#newFrontend(options.frontend);
    this.#changes = new DecisionQueue({
      signal: this.#stop.signal,
      onError: (err) => this.log.error({ err }, "a change of the volume failed"),
    });
    this.#metrics = new MetricsSampler(() => this.#attached?.volume.stats() ?? null);
  }

  // -------------------------------------------------------------------------------------------- questions

  volume(): Volume {
    return {
      name: this.options.volume,
      size: this.#size,
      replicaCount: this.#entries.length,
      endpoint: this.#frontendUp ? (this.#frontend?.endpoint ?? "") : "",
      frontend: this.#frontend?.name ?? "",
      frontendState: this.#frontend === null ? "" : this.#frontendUp ? "up" : "down",
      isExpanding: this.#expansion.running,
      lastExpansionError: this.#expansion.lastError,
      lastExpansionFailedAt: this.#expansion.lastFailedAt,
      unmapMarkSnapChainRemoved: this.#unmapMark,
      snapshotMaxCount: this.#maxCount,
      snapshotMaxSize: this.#maxSize,
    };
  }

  /** In the order given at start. */
  replicas(): { address: string; mode: number }[] {
    return this.#entries.map((entry) => ({ address: entry.address, mode: this.#modeOf(entry) }));
  }

  metrics(): Metrics {
    return this.#metrics.latest();
  }

  #modeOf({ peer, unusable }: ReplicaEntry): number {
    if (unusable !== null) return ReplicaMode.ERR;
    const view = this.#attached?.replicas.replicas().find(({ address }) => address === peer);
    const mode = view?.state.mode === "AWAY" ? view.state.was.mode : view?.state.mode;
    if (mode === "RW") return ReplicaMode.RW;
    // One that is being connected or resynced is written, but not read yet.
    const written = mode === "WO" || mode === "CONNECTING" || mode === "RESYNC";
    return written ? ReplicaMode.WO : ReplicaMode.ERR;
  }

  #inMode(...modes: number[]): ReplicaEntry[] {
    return this.#entries.filter((entry) => modes.includes(this.#modeOf(entry)));
  }

  #running(): AttachedVolume {
    if (this.#attached === null) throw new Error("no backend available: the volume has no replicas");
    return this.#attached;
  }

  // -------------------------------------------------------------------------------------------- start and shutdown

  /** @param size nominal, bytes
   * @param currentSize bytes; 0 when it is not known
   * @throws {NoBackendError | MembershipError | Error} and then there are no replicas */
  start(addresses: readonly string[], size: number, currentSize: number): Promise<void> {
    return this.#changes.run(async () => {
      const duplicate = addresses.find((address, index) => addresses.indexOf(address) !== index);
      if (duplicate !== undefined)
        throw new Error(`invalid ReplicaAddress: duplicate replica addresses ${duplicate}`);
      if (addresses.length === 0 || this.#entries.length > 0) return;
      const peers = addresses.map(grpcAddress);
      const { upgrade } = this.options;
      const handOver = upgrade ? await HandOver.ask(this.#engineId, peers, this.log) : null;
      try {
        await this.#begin(
          addresses,
          size,
          currentSize,
          handOver && { unitState: handOver.unit, after: null },
        );
      } catch (error) {
        handOver?.cancel();
        throw error;
      }
      await handOver?.leave();
      this.#offer ??= HandOverOffer.make(
        this.#engineId,
        { give: () => this.#give(), leave: () => this.#leave(), goOn: (after) => this.#goOn(after) },
        this.log,
      );
    });
  }

  async #begin(
    addresses: readonly string[],
    size: number,
    currentSize: number,
    succession: Succession | null,
  ): Promise<void> {
    const entries = addresses.map((address) => new ReplicaEntry(address, this.options.volume));
    try {
      await this.#startWith(entries, size, currentSize, succession?.after ?? null);
      this.#entries = entries;
      if (this.#frontend !== null) await this.#frontendStart(this.#frontend, succession);
    } catch (error) {
      await this.#detach();
      for (const entry of entries.filter(({ unusable }) => unusable === null))
        await entry.close().catch((err: unknown) => this.log.warn({ err }, "replica could not be closed"));
      for (const entry of entries) entry.disconnect();
      this.#entries = [];
      throw error;
    }
  }

  async #startWith(
    entries: ReplicaEntry[],
    size: number,
    currentSize: number,
    after: readonly string[] | null,
  ): Promise<void> {
    let opened = await this.#open(entries);
    const sizes = opened.map(({ replica }) => Number(replica.size));
    this.#size = volumeSizeAtStart(size, currentSize, sizes);
    const { disableRevisionCounter, upgrade } = this.options;
    for (const { entry, replica } of opened) {
      if (Number(replica.size) !== this.#size)
        await this.#giveUp(entry, `size ${replica.size} is not the volume's, ${this.#size}`);
      else if (!upgrade && replica.revisionCounterDisabled !== disableRevisionCounter)
        await this.#giveUp(entry, `revision counter disabled: ${replica.revisionCounterDisabled}, the engine's: ${disableRevisionCounter}`); // prettier-ignore
    }
    opened = opened.filter(({ entry }) => entry.unusable === null);
    if (opened.length === 0)
      throw new NoBackendError(
        false,
        entries.map(({ address }) => address),
      );
    await this.#pushUnmapMark(
      opened.map(({ entry }) => entry),
      (entry, cause) => this.#giveUp(entry, cause),
    );
    await this.#attach(
      opened.filter(({ entry }) => entry.unusable === null),
      after,
    );
  }

  /** Opens all that can be; the others are unusable from now on.
   * @throws {NoBackendError} */
  async #open(entries: ReplicaEntry[]): Promise<Opened[]> {
    const opened: Opened[] = [];
    let unreachable = false;
    for (const entry of entries) {
      try {
        opened.push({ entry, replica: await entry.open(entries.length === 1, this.log) });
      } catch (error) {
        entry.unusable = errorText(error);
        unreachable ||= isUnavailable(error);
        this.log.warn({ replica: entry.address, reason: entry.unusable }, "replica cannot be used");
      }
    }
    if (opened.length > 0) return opened;
    throw new NoBackendError(
      unreachable,
      entries.map(({ address }) => address),
    );
  }

  async #giveUp(entry: ReplicaEntry, cause: string): Promise<void> {
    this.log.warn({ replica: entry.address, cause }, "replica is left out");
    entry.unusable = cause;
    await entry.close().catch((err: unknown) => this.log.warn({ err }, "replica could not be closed"));
  }

  async #attach(opened: Opened[], after: readonly string[] | null): Promise<void> {
    if (!this.options.salvageRequested || after !== null) {
      this.#attached = await this.#takeOver(opened, null, MEMBERS_WAIT_MS, after);
      return;
    }
    try {
      // Who can be proved to be current need not be salvaged.
      this.#attached = await this.#takeOver(opened, null, SALVAGE_WAIT_MS);
    } catch (error) {
      const best = opened[bestForSalvage(opened.map(({ replica }) => replica))];
      if (!(error instanceof MembershipError) || best === undefined) throw error;
      this.log.warn({ err: error, replica: best.entry.address }, "salvaging from one replica, as requested");
      this.#attached = await this.#takeOver(opened, await replicaIdOf(best.entry.peer), SALVAGE_WAIT_MS);
    }
  }

  #takeOver(
    opened: readonly Pick<Opened, "entry">[],
    salvage: string | null,
    waitMs: number,
    after: readonly string[] | null = null,
  ): Promise<AttachedVolume> {
    return AttachedVolume.attach({
      volume: this.options.volume,
      size: this.#size,
      replicas: opened.map(({ entry }) => entry.peer),
      engineId: this.#engineId,
      engineBootId: readBootId(this.options.bootIdFile),
      replicaTimeoutMs: this.options.replicaTimeoutMs,
      waitMs,
      salvage,
      acceptLostWrites: salvage !== null,
      after,
      onHealth: (health) => this.#onHealth(health),
      onWait: (evidence) => this.log.warn({ evidence }, "waiting for replicas"),
      signal: this.#stop.signal,
      log: this.log,
    });
  }

  #onHealth(health: Health): void {
    this.log.info({ health }, "health of the volume");
    if (health.type === "fenced") this.onEnd(`another engine has taken over: ${health.reason}`);
  }

  /** Frontend down, replicas closed; the volume can be started again. */
  shutdown(): Promise<void> {
    return this.#changes.run(async () => {
      await this.#frontendStop();
      const clean = await this.#detach();
      this.log.info({ clean }, "volume shut down");
      const entries = this.#entries;
      this.#entries = [];
      const results = await Promise.allSettled(
        entries.filter(({ unusable }) => unusable === null).map((entry) => entry.close()),
      );
      for (const entry of entries) entry.disconnect();
      const failed = results.find((result) => result.status === "rejected");
      if (failed !== undefined) throw failed.reason as Error;
    });
  }

  // -------------------------------------------------------------------------------------------- the next engine

  /** The replicas are closed as well: the next engine may come with other processes for their directories. */
  #give(): Promise<Buffer | null> {
    return this.#changes.run(async () => {
      const attached = this.#running();
      const rebuilt = this.#entries.find(({ rebuild }) => rebuild !== null);
      if (rebuilt !== undefined) throw new Error(`replica ${rebuilt.address} is being rebuilt`);
      const frontend = this.#frontendUp ? this.#frontend : null;
      const unitState = await holdAndRelease(attached, frontend, this.log);
      const entries = this.#entries;
      await Promise.all(
        entries
          .filter(({ unusable }) => unusable === null)
          .map((entry) =>
            withDeadline(entry.close(), CLOSE_MS).catch((err: unknown) =>
              this.log.warn({ err, replica: entry.address }, "replica could not be closed"),
            ),
          ),
      );
      this.#given = { attached, frontend, entries, unitState };
      this.#attached = null;
      this.#frontendUp = false;
      this.#entries = [];
      return unitState;
    });
  }

  #leave(): Promise<void> {
    return this.#changes.run(async () => {
      await this.#letGo();
      this.log.info({}, "the volume was handed to another engine");
    });
  }

  async #letGo(): Promise<void> {
    if (this.#given === null) return;
    const { attached, frontend, entries } = this.#given;
    this.#given = null;
    await frontend?.leave();
    // Operations that are held end with their volume.
    await Promise.all([frontend?.close(), attached.close()]);
    for (const entry of entries) entry.disconnect();
  }

  async #goOn(after: readonly string[]): Promise<void> {
    const given = this.#given;
    if (given === null || this.#stop.signal.aborted) return;
    try {
      await this.#changes.run(async () => {
        const addresses = given.entries.map(({ address }) => address);
        if (given.frontend !== null) this.#frontend = this.#newFrontend(given.frontend.name);
        await this.#begin(addresses, this.#size, this.#size, { unitState: given.unitState, after });
        await this.#letGo();
      });
    } catch (error) {
      this.onEnd(`the volume cannot be served any more: ${errorText(error)}`);
    }
  }

  /** The process ends: no more loops. */
  end(): void {
    this.#offer?.close();
    this.#stop.abort();
    this.#metrics.stop();
  }

  async #detach(): Promise<boolean> {
    const attached = this.#attached;
    this.#attached = null;
    return attached === null ? true : attached.detach();
  }

  // -------------------------------------------------------------------------------------------- frontend

  #newFrontend(name: string): Frontend {
    return newFrontend(name, { volume: this.options.volume, portals: this.options.portals, log: this.log });
  }

  frontendStart(name: string): Promise<void> {
    return this.#changes.run(async () => {
      if (this.#expansion.running) throw new Error("cannot start frontend during the engine expansion");
      if (name === "") throw new Error("cannot start empty frontend");
      const { name: present = name } = this.#frontend ?? {};
      if (this.#frontendUp) {
        if (present !== name)
          throw new Error(`frontend ${present} is already started, cannot be set as ${name}`);
        return;
      }
      this.#frontend = this.#newFrontend(name);
      // Without replicas it is started with them.
      if (this.#attached !== null) await this.#frontendStart(this.#frontend);
    });
  }

  async #frontendStart(frontend: Frontend, succession: Succession | null = null): Promise<void> {
    try {
      await frontend.start(this.#running(), this.#size, succession);
    } catch (error) {
      throw withContext("failed to start up frontend", error);
    }
    this.#frontendUp = true;
  }

  frontendShutdown(): Promise<void> {
    return this.#changes.run(() => this.#frontendStop());
  }

  async #frontendStop(): Promise<void> {
    if (!this.#frontendUp) return;
    this.#frontendUp = false;
    await this.#frontend?.stop();
  }

  // -------------------------------------------------------------------------------------------- snapshots

  /** @param name "" for a new UUID
   * @returns the name */
  snapshot(name: string, labels: Record<string, string>): Promise<string> {
    return this.#changes.run(async () => {
      const attached = this.#running();
      await this.#checkRoom();
      const snapshot = name === "" ? randomUUID() : name;
      const request = { name: snapshot, userCreated: true, created: now(), labels };
      const failures = await attached.replicas.changeTogether({
        apply: (peer) =>
          this.#entryAt(peer).call(
            `failed to snapshot replica ${peer} from remote`,
            (calls, options) => calls.replicaSnapshot(request, options),
            this.options.replicaTimeoutMs,
          ),
        harmless: isSnapshotExisting,
        snapshot: this.#inTwoParts(request),
      });
      const reported =
        [...failures.values()].some(isSnapshotExisting) || failures.size >= this.#copiesBefore(failures);
      if (failures.size > 0 && reported) throw this.#failureOf(failures);
      this.log.info({ snapshot, failed: [...failures.keys()] }, "snapshot taken");
      return snapshot;
    });
  }

  #inTwoParts(snapshot: {
    name: string;
    userCreated: boolean;
    created: string;
    labels: Record<string, string>;
  }) {
    return { request: { ...snapshot, expandTo: 0 }, commitTimeoutMs: this.options.replicaTimeoutMs };
  }

  /** How many replicas took part in a change with these failures. */
  #copiesBefore(failures: ReadonlyMap<string, Error>): number {
    const left = this.#inMode(ReplicaMode.RW, ReplicaMode.WO).filter(({ peer }) => !failures.has(peer));
    return failures.size + left.length;
  }

  async #usages(): Promise<Replica[]> {
    this.#running();
    return Promise.all(this.#inMode(ReplicaMode.RW, ReplicaMode.WO).map((entry) => entry.get()));
  }

  async #checkRoom(): Promise<void> {
    const refusal = snapshotRefusal(await this.#usages(), {
      maxCount: this.#maxCount,
      maxSize: this.#maxSize,
    });
    if (refusal !== null) throw new Error(refusal);
  }

  revert(name: string): Promise<void> {
    return this.#changes.run(async () => {
      const readable = this.#inMode(ReplicaMode.RW);
      if (readable.length === 0 || this.#inMode(ReplicaMode.WO).length > 0)
        throw new Error("not valid state to revert, rebuilding in process or all replica are in ERR state");
      const file = snapshotFile(name);
      for (const entry of readable) {
        const disk = (await entry.get()).disks[file];
        if (disk === undefined)
          throw new Error(`cannot do revert since the target snapshot ${name} is not found`);
        if (disk.removed) throw new Error(`cannot revert to removed snapshot ${name}`);
      }
      if (this.#frontendUp) throw new Error("volume frontend enabled, aborting snapshot revert");
      const request = { name: file, created: now() };
      // What a replica that is away has missed is then more than what was written.
      await this.#running().replicas.forgetAbsent();
      const failures = await this.#running().replicas.changeTogether({
        apply: (peer) =>
          this.#entryAt(peer).call(
            `failed to revert replica ${peer} from remote`,
            (calls, options) => calls.replicaRevert(request, options),
            this.options.replicaTimeoutMs,
          ),
      });
      if (failures.size >= readable.length)
        throw withContext(`failed to revert to ${file} on all replicas`, this.#failureOf(failures));
      this.log.info({ snapshot: name, failed: [...failures.keys()] }, "volume reverted");
    });
  }

  setSnapshotMaxCount(count: number): Promise<void> {
    return this.#changes.run(async () => {
      const refusal = maxCountRefusal(this.#attached === null ? [] : await this.#usages(), count);
      if (refusal !== null) throw new Error(refusal);
      this.#maxCount = count;
      for (const entry of this.#inMode(ReplicaMode.RW, ReplicaMode.WO))
        await entry.call(
          `failed to set flag SnapshotMaxCount to ${count} in replica ${entry.address}`,
          (calls, options) => calls.snapshotMaxCountSet({ count }, options),
        );
    });
  }

  setSnapshotMaxSize(size: number): Promise<void> {
    return this.#changes.run(async () => {
      const refusal = maxSizeRefusal(this.#attached === null ? [] : await this.#usages(), size);
      if (refusal !== null) throw new Error(refusal);
      this.#maxSize = size;
      for (const entry of this.#inMode(ReplicaMode.RW, ReplicaMode.WO))
        await entry.call(
          `failed to set flag SnapshotMaxSize to ${size} in replica ${entry.address}`,
          (calls, options) => calls.snapshotMaxSizeSet({ size }, options),
        );
    });
  }

  setUnmapMark(enabled: boolean): Promise<void> {
    return this.#changes.run(async () => {
      this.#unmapMark = enabled;
      if (this.#attached === null) return;
      await this.#pushUnmapMark(this.#inMode(ReplicaMode.RW, ReplicaMode.WO), async (entry, cause) => {
        await this.#attached?.replicas.fail(entry.peer, cause);
      });
    });
  }

  async #pushUnmapMark(
    entries: ReplicaEntry[],
    refused: (entry: ReplicaEntry, cause: string) => Promise<void>,
  ): Promise<void> {
    const failed: [ReplicaEntry, string][] = [];
    for (const entry of entries) {
      try {
        await entry.call("failed to set UnmapMarkDiskChainRemoved", (calls, options) =>
          calls.unmapMarkDiskChainRemovedSet({ enabled: this.#unmapMark }, options),
        );
      } catch (error) {
        failed.push([entry, errorText(error)]);
      }
    }
    if (failed.length > 0 && failed.length === entries.length) {
      throw new Error(
        `failed to correct Unmatched flag UnmapMarkSnapChainRemoved for all replicas, expect ${this.#unmapMark}: ${failed.map(([{ address }, cause]) => `${address}: ${cause}`).join("; ")}`,
      );
    }
    for (const [entry, cause] of failed) await refused(entry, cause);
  }

  // -------------------------------------------------------------------------------------------- expansion

  /** Resolves when it has begun; what comes of it is told by `volume()`. */
  expand(size: number): Promise<void> {
    return this.#changes.run(() => {
      if (this.#expansion.begin(this.#size, size)) {
        this.#changes.post(async () => {
          try {
            await this.#expandReplicas(size);
          } catch (error) {
            this.#expansion.fail(errorText(error));
          } finally {
            this.#expansion.end();
          }
        });
      }
      return Promise.resolve();
    });
  }

  async #expandReplicas(size: number): Promise<void> {
    await this.#checkRoom();
    const attached = this.#running();
    const all = this.#inMode(ReplicaMode.RW, ReplicaMode.WO).length;
    const failures = new Map<string, ExpansionFailure>();
    await attached.replicas.changeTogether({
      apply: async (peer) => {
        const entry = this.#entryAt(peer);
        try {
          await entry.call(
            `failed to expand replica ${peer} from remote`,
            (calls, options) => calls.replicaExpand({ size }, options),
            EXPAND_CALL_TIMEOUT_MS,
          );
        } catch (error) {
          failures.set(entry.address, expansionFailure(error));
          throw error;
        }
      },
    });
    if (failures.size > 0) this.#expansion.fail(expansionErrorText(failures, failures.size >= all));
    if (failures.size >= all) {
      // Those that are as they were go on; whoever may have changed cannot.
      for (const entry of this.#entries) {
        const failure = failures.get(entry.address);
        if (failure !== undefined && !isUndone(failure))
          await attached.replicas.fail(entry.peer, failure.text);
      }
      return;
    }
    const before = this.#size;
    this.#size = size;
    this.log.info({ from: before, to: size, failed: [...failures.keys()] }, "volume expanded");
    await this.#reattach();
  }

  /** The native volume has one size: a larger one takes its place, while initiators log in again. */
  async #reattach(): Promise<void> {
    const up = this.#frontendUp;
    await this.#frontendStop();
    const members = this.#inMode(ReplicaMode.RW, ReplicaMode.WO);
    for (const entry of this.#entries) if (!members.includes(entry)) entry.unusable ??= "failed before";
    await this.#detach();
    this.#attached = await this.#takeOver(
      members.map((entry) => ({ entry })),
      null,
      MEMBERS_WAIT_MS,
    );
    if (up && this.#frontend !== null) await this.#frontendStart(this.#frontend);
  }

  // -------------------------------------------------------------------------------------------- replicas

  /** Adds a replica that is closed: all writes go to it from a moment on at which all copies took a snapshot. One that is
   * known is left as it is.
   * @param snapshotRequired false: its data come from a backup
   * @param mode of `ReplicaMode`
   * @throws {Error} and then it is not added */
  addReplica(address: string, snapshotRequired: boolean, mode: number): Promise<void> {
    return this.#changes.run(async () => {
      if (address === "") throw new Error("replica address is required");
      if (this.#entries.some((entry) => entry.address === address)) return;
      if (mode !== ReplicaMode.WO) throw new Error("a replica can only be created in mode WO");
      const attached = this.#running();
      this.#checkJoining();
      if (snapshotRequired) await this.#checkRoom();
      const entry = new ReplicaEntry(address, this.options.volume, null, { restored: !snapshotRequired });
      // Removed and added again at once.
      await this.#closing.get(address);
      try {
        await this.#openNew(entry);
        await this.#letJoin(attached, entry, snapshotRequired);
      } catch (error) {
        // Whoever tries again has to find it closed.
        if (entry.isOpen) await entry.closeInBackground(this.log);
        else entry.disconnect();
        throw error;
      }
      this.#entries = [...this.#entries, entry];
      this.log.info({ replica: address }, "replica added: it is rebuilt");
    });
  }

  #checkJoining(): void {
    if (this.#inMode(ReplicaMode.WO).length > 0) throw new Error("can only have one WO replica at a time");
    if (this.#expansion.running) throw new Error("cannot add WO replica during expansion");
  }

  /** Opens a replica that fits, and tells it the volume's settings. */
  async #openNew(entry: ReplicaEntry): Promise<void> {
    const { size, revisionCounterDisabled } = await entry.open(false, this.log);
    if (Number(size) !== this.#size)
      throw new Error(`replica ${entry.address} has ${size} bytes, the volume has ${this.#size}`);
    const { disableRevisionCounter } = this.options;
    if (revisionCounterDisabled !== disableRevisionCounter)
      throw new Error(`replica ${entry.address} has its revision counter disabled: ${revisionCounterDisabled}, the engine's: ${disableRevisionCounter}`); // prettier-ignore
    await this.#pushUnmapMark([entry], () => Promise.resolve());
    await entry.call(`failed to set flags of replica ${entry.address}`, async (calls, options) => {
      await calls.snapshotMaxCountSet({ count: this.#maxCount }, options);
      await calls.snapshotMaxSizeSet({ size: this.#maxSize }, options);
    });
  }

  async #letJoin(attached: AttachedVolume, entry: ReplicaEntry, snapshotRequired: boolean): Promise<void> {
    const request = { name: randomUUID(), userCreated: false, created: now(), labels: {} };
    const snapshot = (one: ReplicaEntry) =>
      one.call(
        `failed to snapshot replica ${one.peer} from remote`,
        (calls, options) => calls.replicaSnapshot(request, options),
        this.options.replicaTimeoutMs,
      );
    if (snapshotRequired) {
      // What can be done before, is: I/O waits for the copies' snapshot.
      await snapshot(entry);
      await attached.volume.flush(null);
    }
    const failures = await attached.replicas.add(entry.peer, {
      apply: (peer) => (snapshotRequired ? snapshot(this.#entryAt(peer)) : Promise.resolve()),
      ...(snapshotRequired ? { snapshot: this.#inTwoParts(request) } : {}),
    });
    if (this.#modeOf(entry) !== ReplicaMode.WO) throw this.#failureOf(failures);
  }

  /** @returns what has to be copied to a replica that is added
   * @throws {Error} it is not being added, or could not be prepared */
  prepareRebuild(address: string): Promise<SyncFileInfo[]> {
    return this.#changes.run(() =>
      this.#fromCopy(address, (source) =>
        prepareRebuild(source, this.#rebuilt(address, "prepare"), this.options.volume),
      ),
    );
  }

  #rebuilt(address: string, verb: string): ReplicaEntry {
    const entry = this.#entries.find((one) => one.address === address);
    const mode = entry === undefined ? undefined : this.#modeOf(entry);
    if (entry === undefined || mode !== ReplicaMode.WO)
      throw new Error(`invalid mode ${MODE_NAMES.get(mode)} for replica ${address} to ${verb} rebuild`);
    if (entry.rebuild === null) throw new Error(`replica ${address} is made equal by the engine itself`);
    return entry;
  }

  /** Does something with a copy: with the next one, when the first cannot be reached. */
  async #fromCopy<T>(address: string, work: (source: ReplicaEntry) => Promise<T>): Promise<T> {
    let failure: unknown = new Error(`no replica is there that ${address} could be rebuilt from`);
    for (const source of this.#inMode(ReplicaMode.RW)) {
      try {
        return await work(source);
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /** Makes a replica readable whose files were copied. When that fails, it becomes ERR.
   * @throws {Error} */
  verifyRebuild(address: string): Promise<void> {
    const present = this.#entries.find((one) => one.address === address);
    if (present !== undefined && this.#modeOf(present) === ReplicaMode.RW) return Promise.resolve();
    const entry = this.#rebuilt(address, "verify");
    // Its caller may have lost patience, and ask again.
    let verifying = this.#verifying.get(entry);
    if (verifying === undefined) {
      verifying = this.#verify(entry).finally(() => this.#verifying.delete(entry));
      this.#verifying.set(entry, verifying);
    }
    return verifying;
  }

  async #verify(entry: ReplicaEntry): Promise<void> {
    const { address, peer, rebuild } = entry;
    const { replicas } = this.#running();
    const restored = rebuild?.restored ?? false;
    try {
      await this.#fromCopy(address, (source) => loadRebuilt(source, entry, this.options.volume, restored));
      await replicas.finishRebuild(peer, {
        compareAll: restored,
        settle: () => this.#fromCopy(address, (source) => copyRevision(source, entry)),
      });
      entry.rebuild = null;
      this.log.info({ replica: address }, "replica rebuilt");
    } catch (error) {
      const failure = withContext(`failed to verify rebuild of replica ${address}`, error);
      await replicas.fail(peer, failure.message);
      throw failure;
    }
  }

  /** Durably no member any more when it resolves. One that is not known is no error. */
  removeReplica(address: string): Promise<void> {
    return this.#changes.run(async () => {
      const entry = this.#entries.find((one) => one.address === address);
      if (entry === undefined) return;
      if (this.#entries.length === 1) {
        if (this.#frontendUp) throw new Error("cannot remove last replica if volume is up");
        await this.#detach();
      } else if (entry.unusable === null && !(await this.#running().replicas.remove(entry.peer))) {
        throw new Error(`cannot remove replica ${address}: no other replica could record that it is gone`);
      }
      this.#entries = this.#entries.filter((one) => one !== entry);
      this.log.info({ replica: address }, "replica removed");
      if (entry.unusable !== null) {
        entry.disconnect();
        return;
      }
      const closing = entry.closeInBackground(this.log).finally(() => {
        if (this.#closing.get(address) === closing) this.#closing.delete(address);
      });
      this.#closing.set(address, closing);
    });
  }

  /** @param mode of `ReplicaMode` */
  setReplicaMode(address: string, mode: number): Promise<void> {
    return this.#changes.run(async () => {
      if (mode !== ReplicaMode.ERR && mode !== ReplicaMode.RW)
        throw new Error(`cannot set to mode ${mode === ReplicaMode.WO ? "WO" : mode}`);
      const entry = this.#entries.find((one) => one.address === address);
      if (entry === undefined) return;
      const present = this.#modeOf(entry);
      // ERR is final, as in Longhorn.
      if (present === mode || present === ReplicaMode.ERR) return;
      if (mode === ReplicaMode.RW) throw new Error(`replica ${address} is not equal to the others yet`);
      if (!(await this.#running().replicas.fail(entry.peer, "set to ERR by a client")))
        throw new Error(`cannot set replica ${address} to ERR: no other replica could record it`);
    });
  }

  #entryAt(peer: string): ReplicaEntry {
    const entry = this.#entries.find((one) => one.peer === peer);
    if (entry === undefined) throw new Error(`replica ${peer} is not in the list`);
    return entry;
  }

  /** One error of all, by address; the code of a call that failed is kept. */
  #failureOf(failures: ReadonlyMap<string, Error>): Error {
    const text = [...failures]
      .map(([peer, error]) => `${this.#entryAt(peer).address}: ${errorText(error)}`)
      .join("; ");
    const [first] = failures.values();
    return first instanceof RpcError ? new RpcError(first.code, text, { cause: first }) : new Error(text);
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof RpcError && (error.code as number) === GRPC_UNAVAILABLE;
}

function isSnapshotExisting(error: Error): boolean {
  return /snapshot .* is already existing/.test(error.message);
}

/** RFC 3339, UTC, seconds. */
function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}

async function replicaIdOf(peer: string): Promise<string> {
  const link = new ReplicaLink(peer);
  try {
    return (await link.identify()).replicaId;
  } finally {
    link.close();
  }
}
