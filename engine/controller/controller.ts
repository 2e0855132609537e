/**
 * A volume as Longhorn's clients drive it: started with replicas that were closed, snapshotted, reverted, expanded,
 * offered by a frontend, shut down, and started again. One change at a time; questions are answered meanwhile.
 */
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import type { EngineTotals } from "../../proto/engine-watch.js";
import { ReplicaMode, type Metrics, type SyncFileInfo, type Volume } from "../../proto/longhorn.js";
import { grpcAddress } from "../client/addresses.js";
import { DecisionQueue } from "../decision-queue.js";
import { HandOverOffer } from "../hand-over/offer.js";
import { HandOver } from "../hand-over/take.js";
import type { Health } from "../health.js";
import type { WitnessView } from "../witness-watch.js";
import { Expander } from "./expand.js";
import { Expansion } from "./expansion.js";
import { TakenOverError } from "./taken-over.js";
import { totalsOf } from "./totals.js";
import { FilesystemFreeze } from "./filesystem-freeze.js";
import { FrontendSwitch } from "./frontend-switch.js";
import { MetricsSampler } from "./metrics.js";
import { NextEngine } from "./next-engine.js";
import type { ControllerOptions } from "./options.js";
import { ReplicaList } from "./replica-list.js";
import { Settings } from "./settings.js";
import { Snapshots } from "./snapshots.js";
import { Start } from "./start.js";
import { UnmapMarks } from "./unmap-marks.js";
import { VolumeState } from "./volume-state.js";

export class Controller {
  readonly #changes: DecisionQueue;
  readonly #stop = new AbortController();
  readonly #metrics: MetricsSampler;
  readonly #engineId: string;
  readonly #state: VolumeState;
  readonly #settings: Settings;
  readonly #unmapMarks: UnmapMarks;
  readonly #frontend: FrontendSwitch;
  readonly #start: Start;
  readonly #snapshots: Snapshots;
  readonly #expansion = new Expansion();
  readonly #expander: Expander;
  readonly #replicas: ReplicaList;
  readonly #next: NextEngine;
  readonly #freeze: FilesystemFreeze;
  #offer: HandOverOffer | null = null;
  readonly #listeners = new Set<() => void>();
  #changeCount = 0;
  #resumeFrom: readonly string[];

  /** @param onEnd called with the reason when nothing is left to do but end
   * @throws {Error} for a frontend that is not known */
  constructor(
    readonly options: ControllerOptions,
    private readonly onEnd: (reason: Error) => void,
    private readonly log: Logger,
  ) {
    this.#engineId = options.engineId ?? randomUUID();
    this.#resumeFrom = options.resumeFrom;
    const state = (this.#state = new VolumeState(options, this.#engineId, log));
    const settings = (this.#settings = new Settings(state));
    const frontend = (this.#frontend = new FrontendSwitch(state));
    const changes = (this.#changes = new DecisionQueue({
      signal: this.#stop.signal,
      onError: (err) => this.log.error({ err }, "a change of the volume failed"),
      onDecided: () => this.#changed(),
    }));
    const unmapMarks = (this.#unmapMarks = new UnmapMarks(state, settings, changes));
    this.#replicas = new ReplicaList(state, settings, frontend, this.#expansion, changes);
    const start = (this.#start = new Start(state, settings, frontend, {
      engineId: this.#engineId,
      signal: this.#stop.signal,
      copier: this.#replicas.copier,
      onHealth: (health) => this.#onHealth(health),
      onUnmapsWaiting: () => unmapMarks.onUnmapsWaiting(),
    }));
    this.#snapshots = new Snapshots(state, settings, frontend);
    this.#expander = new Expander(state, this.#expansion, settings, frontend);
    this.#freeze = new FilesystemFreeze(log);
    this.#next = new NextEngine(state, frontend, start);
    this.#metrics = new MetricsSampler(() => state.attached?.volume.stats() ?? null);
  }

  // -------------------------------------------------------------------------------------------- questions

  volume(): Volume {
    return {
      name: this.options.volume,
      size: this.#state.size,
      replicaCount: this.#state.entries.length,
      endpoint: this.#frontend.endpoint,
      frontend: this.#frontend.name,
      frontendState: this.#frontend.name === "" ? "" : this.#frontend.isUp ? "up" : "down",
      isExpanding: this.#expansion.running,
      lastExpansionError: this.#expansion.lastError,
      lastExpansionFailedAt: this.#expansion.lastFailedAt,
      unmapMarkSnapChainRemoved: this.#settings.unmapMark,
      snapshotMaxCount: this.#settings.maxCount,
      snapshotMaxSize: this.#settings.maxSize,
    };
  }

  /** In the order given at start. */
  replicas(): { address: string; mode: number }[] {
    return this.#state.entries.map((entry) => ({
      address: entry.address,
      mode: this.#state.modeOf(entry),
    }));
  }

  /** null: it has none */
  witness(): WitnessView | null {
    const { attached, witness } = this.#state;
    if (attached !== null) return attached.replicas.witness();
    return witness === null ? null : { address: witness, replicaId: "", member: false, cause: "the volume is not started" }; // prettier-ignore
  }

  /** How often a client has changed something. */
  get changes(): number {
    return this.#changeCount;
  }

  /** @param listener called when what can be asked may have changed
   * @returns what ends it */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(): void {
    this.#changeCount += 1;
    for (const listener of this.#listeners) listener();
  }

  metrics(): Metrics {
    return this.#metrics.latest();
  }

  /** null while there is no volume: they begin anew with each one */
  totals(): EngineTotals | null {
    const { attached } = this.#state;
    return attached === null ? null : totalsOf(attached);
  }

  // -------------------------------------------------------------------------------------------- start and end

  /** @param size nominal, bytes
   * @param currentSize bytes; 0 when it is not known
   * @throws {NoBackendError | MembershipError | Error} and then there are no replicas */
  start(addresses: readonly string[], size: number, currentSize: number): Promise<void> {
    return this.#changeChain(async () => {
      const duplicate = addresses.find((address, index) => addresses.indexOf(address) !== index);
      if (duplicate !== undefined)
        throw new Error(`invalid ReplicaAddress: duplicate replica addresses ${duplicate}`);
      if (addresses.length === 0 || this.#state.entries.length > 0) return;
      const peers = addresses.map(grpcAddress);
      const { upgrade } = this.options;
      // Once: what comes after an orderly end is a start like any other.
      const resumeFrom = this.#resumeFrom;
      this.#resumeFrom = [];
      const handOver = upgrade ? await HandOver.ask(this.#engineId, peers, this.log) : null;
      try {
        const resumed =
          resumeFrom.length === 0
            ? null
            : { unitState: null, after: { ids: resumeFrom, generationMax: Infinity }, crashed: true };
        const succession = handOver
          ? { unitState: handOver.unit, after: handOver.after, crashed: false }
          : resumed;
        await this.#start.begin(addresses, size, currentSize, succession);
      } catch (error) {
        handOver?.cancel();
        throw error;
      }
      await handOver?.leave();
      if (handOver === null && this.#frontend.device !== null)
        await this.#freeze.thawLeftover(this.#frontend.device);
      this.#offer ??= HandOverOffer.make(
        this.#engineId,
        {
          give: () => this.#changes.run(() => this.#next.give()),
          leave: () => this.#changes.run(() => this.#next.leave()),
          goOn: (after) => this.#goOn(after),
        },
        this.log,
      );
    });
  }

  async #goOn(after: readonly string[]): Promise<void> {
    if (!this.#next.isGiven || this.#stop.signal.aborted) return;
    await this.#changes
      .run(() => this.#next.goOn(after))
      .catch((error: unknown) => this.onEnd(error as Error));
  }

  #onHealth(health: Health): void {
    this.log.info({ health }, "health of the volume");
    for (const listener of this.#listeners) listener();
    // A copy that has come back may have been away when marks were made.
    void this.#unmapMarks.arm();
    if (health.type === "fenced")
      this.onEnd(new TakenOverError(`another engine has taken over: ${health.reason}`));
  }

  /** Frontend down, replicas closed; the volume can be started again. */
  shutdown(): Promise<void> {
    // It may wait for copies that nobody reaches.
    this.#state.attached?.replicas.breakOffChange();
    return this.#changes.run(() => this.#start.shutdown());
  }

  /** The volume is another engine's, or cannot be served any more: nothing of it is left on this machine. Not in turn: what is being
   * changed may wait for replicas that are another one's. */
  abandon(): Promise<void> {
    return this.#frontend.abandon();
  }

  /** The process ends: no more loops. */
  end(): void {
    this.#offer?.close();
    this.#stop.abort();
    this.#metrics.stop();
  }

  // -------------------------------------------------------------------------------------------- changes

  frontendStart(name: string): Promise<void> {
    return this.#changes.run(async () => {
      if (this.#expansion.running) throw new Error("cannot start frontend during the engine expansion");
      await this.#frontend.start(name);
    });
  }

  frontendShutdown(): Promise<void> {
    return this.#changes.run(() => this.#frontend.stop());
  }

  /** Makes a change after which other snapshots may be behind the head. */
  #changeChain<T>(change: () => Promise<T>): Promise<T> {
    return this.#changes.run(() => this.#thenArm(change));
  }

  async #thenArm<T>(change: () => Promise<T>): Promise<T> {
    try {
      return await change();
    } finally {
      await this.#unmapMarks.arm();
    }
  }

  /** @see {Snapshots.take} @param freeze the file system on the volume's block device, if it has one */
  snapshot(name: string, labels: Record<string, string>, freeze: boolean): Promise<string> {
    const take = () => this.#changeChain(() => this.#snapshots.take(name, labels));
    // What the file system writes before it is frozen goes on while another change is made.
    const device = freeze ? this.#frontend.device : null;
    return device === null ? take() : this.#freeze.during(device, take);
  }

  revert(name: string): Promise<void> {
    return this.#changeChain(() => this.#snapshots.revert(name));
  }

  setSnapshotMaxCount(count: number): Promise<void> {
    return this.#changes.run(() => this.#settings.setMaxCount(count));
  }

  setSnapshotMaxSize(size: number): Promise<void> {
    return this.#changes.run(() => this.#settings.setMaxSize(size));
  }

  setUnmapMark(enabled: boolean): Promise<void> {
    return this.#changeChain(() => this.#settings.setUnmapMark(enabled));
  }

  /** Resolves when it has begun; what comes of it is told by `volume()`. */
  expand(size: number): Promise<void> {
    return this.#changes.run(() => {
      if (this.#expansion.begin(this.#state.size, size))
        this.#changes.post(() => this.#thenArm(() => this.#expander.expand(size)));
      return Promise.resolve();
    });
  }

  /** @see {ReplicaList.add} */
  addReplica(address: string, snapshotRequired: boolean, mode: number): Promise<void> {
    return this.#changeChain(() => this.#replicas.add(address, snapshotRequired, mode));
  }

  /** @see {ReplicaList.prepareRebuild} */
  prepareRebuild(address: string): Promise<SyncFileInfo[]> {
    return this.#changes.run(() => this.#replicas.prepareRebuild(address));
  }

  /** @see {ReplicaList.verifyRebuild} */
  verifyRebuild(address: string): Promise<void> {
    return this.#replicas.verifyRebuild(address);
  }

  /** @see {ReplicaList.remove} */
  removeReplica(address: string): Promise<void> {
    return this.#changes.run(() => this.#replicas.remove(address));
  }

  /** Another witness from now on, or the same one elsewhere. It counts later: see `witness`.
   * @param address of its control port, `host:port`; null: none */
  setWitness(address: string | null): Promise<void> {
    return this.#changes.run(() => {
      this.#state.witness = address;
      this.#state.attached?.replicas.setWitness(address);
      return Promise.resolve();
    });
  }

  /** @see {ReplicaList.setMode} */
  setReplicaMode(address: string, mode: number): Promise<void> {
    if (mode === ReplicaMode.RW && this.#replicas.addedFile(address) !== null)
      return this.#completeFile(address);
    return this.#changes.run(() => this.#replicas.setMode(address, mode));
  }

  async #completeFile(address: string): Promise<void> {
    await this.#changeChain(async () => {
      const file = this.#replicas.addedFile(address);
      if (file !== null && this.#state.attached === null) await this.#start.beginWithFile(file);
    });
    // Beside others it is made equal, while other changes go on.
    await this.#replicas.verifyRebuild(address);
  }
}
