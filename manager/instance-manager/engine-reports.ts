/**
 * How the node's engines are, told on change: each engine says when it has changed, and its replicas are asked then. What
 * replicas do by themselves (purge, rebuild, clone) nobody tells: they are asked again while that is under way.
 */
import type { Logger } from "pino";
import { VolumeClient } from "../../engine/client/volume.js";
import {
  EngineWatch,
  EngineWatchStreams,
  type EngineState,
  type EngineTotals,
} from "../../proto/engine-watch.js";
import type { EngineReport } from "../../proto/instance-manager.js";
import { ReplicaMode } from "../../proto/longhorn.js";
import { errorText } from "../../proto/rpc-error.js";
import { follow, type Following } from "../../proto/server-stream.js";
import { unaryClient } from "../../proto/unary.js";
import type { Instance } from "./instance.js";
import type { Instances } from "./instances.js";
import { FOLLOW_RETRY_MS, PROGRESS_PERIOD_MS, REFRESH_PERIOD_MS, TOTALS_TIMEOUT_MS } from "./limits.js";
import { ProcessInstance } from "./process-instance.js";
import { rebuildsOf } from "./proxy/replica-calls.js";
import { clonesOf, disksOf, purgesOf } from "./proxy/snapshot-calls.js";

export class EngineReports {
  readonly #engines = new Map<Instance, ReportedEngine>();
  readonly #watchers = new Set<(report: EngineReport) => void>();
  readonly #endWatch: () => void;

  constructor(
    instances: Instances,
    private readonly log: Logger,
  ) {
    this.#endWatch = instances.watch((instance, deleted) => this.#onChange(instance, deleted));
    for (const engine of instances.engines()) this.#onChange(engine, false);
  }

  list(): EngineReport[] {
    return [...this.#engines.values()].flatMap(({ report }) => report ?? []);
  }

  /** @returns what ends it */
  watch(watcher: (report: EngineReport) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Somebody does something with the replicas of the engine at that address. */
  refresh(address: string): void {
    const port = /:(\d+)$/.exec(address)?.[1];
    for (const [engine, reported] of this.#engines)
      if (String(engine.record.ports?.first) === port) reported.refresh();
  }

  /** What an engine has done; null: there is nothing to be told.
   * @param name of the instance
   * @throws {RpcError} it does not answer */
  async totals(name: string): Promise<EngineTotals | null> {
    const engine = [...this.#engines.keys()].find(({ record }) => record.spec.name === name);
    if (!(engine instanceof ProcessInstance) || engine.address === null) return null;
    const { calls, close } = unaryClient(EngineWatch, engine.address);
    try {
      return (await calls.totals({}, { timeoutMs: TOTALS_TIMEOUT_MS })).totals;
    } finally {
      close();
    }
  }

  stop(): void {
    this.#endWatch();
    for (const engine of this.#engines.values()) engine.stop();
    this.#engines.clear();
  }

  #onChange(instance: Instance, deleted: boolean): void {
    if (!(instance instanceof ProcessInstance) || instance.record.engine === null) return;
    const runs = !deleted && instance.record.status.state === "running";
    const present = this.#engines.get(instance);
    if (runs && present === undefined) {
      const onReport = (report: EngineReport) => {
        for (const watcher of [...this.#watchers]) watcher(report);
      };
      this.#engines.set(instance, new ReportedEngine(instance, onReport, this.log));
    } else if (!runs && present !== undefined) {
      present.stop();
      this.#engines.delete(instance);
    }
  }
}

/** What its replicas say. */
type Asked = Pick<EngineReport, "snapshots" | "rebuilds" | "purges" | "clones" | "error">;

/** One that runs. */
class ReportedEngine {
  report: EngineReport | null = null;
  #client: VolumeClient | null = null;
  #state: EngineState | null = null;
  #asked: Asked | null = null;
  #stream: Following | null = null;
  #timer: NodeJS.Timeout | null = null;
  #asking = false;
  #again = false;
  #stopped = false;

  constructor(
    private readonly engine: ProcessInstance,
    private readonly onReport: (report: EngineReport) => void,
    private readonly log: Logger,
  ) {
    this.#follow();
  }

  get #address(): string {
    return this.engine.address ?? "";
  }

  #follow(): void {
    this.#stream = follow(EngineWatchStreams.watch, this.#address, {}, (state) => {
      this.#state = state;
      this.#note(state);
      // A replica that hangs keeps those who ask it waiting for minutes: that it has failed is told before.
      this.#tell();
      this.refresh();
    });
    void this.#stream.ended.then(() => {
      if (this.#stopped) return;
      // Its end is noticed at once, also by an agent that is not its parent.
      this.engine.look();
      setTimeout(() => {
        if (!this.#stopped) this.#follow();
      }, FOLLOW_RETRY_MS);
    });
  }

  /** For a start in its place. */
  #note({ volume, replicas, witness }: EngineState): void {
    if (volume === null) return;
    this.engine.noteEngine({
      replicas: replicas.map(({ address }) => address?.address ?? ""),
      size: volume.size,
      frontend: volume.frontendState === "up" ? volume.frontend : "",
      unmapMarkSnapChainRemoved: volume.unmapMarkSnapChainRemoved,
      snapshotMaxCount: volume.snapshotMaxCount,
      snapshotMaxSize: volume.snapshotMaxSize,
      witness: witness?.address ?? "",
    });
  }

  /** Asks the replicas, once more when that is under way already. */
  refresh(): void {
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    void this.#ask().finally(() => {
      this.#asking = false;
      if (this.#stopped) return;
      if (this.#again) {
        this.#again = false;
        this.refresh();
      } else
        this.#timer = setTimeout(() => this.refresh(), this.#isBusy ? PROGRESS_PERIOD_MS : REFRESH_PERIOD_MS);
    });
  }

  get #isBusy(): boolean {
    if (this.report === null) return false;
    const { replicas, purges, clones } = this.report;
    return (
      replicas.some(({ mode }) => mode === ReplicaMode.WO) ||
      Object.values(purges).some(({ isPurging }) => isPurging) ||
      Object.values(clones).some(({ isCloning }) => isCloning)
    );
  }

  async #ask(): Promise<void> {
    const state = this.#state;
    if (state === null) return;
    // Replicas may have become other volumes' since.
    const identity = { volumeName: state.volume?.name ?? "", engineInstanceName: "" };
    const client = (this.#client ??= new VolumeClient(this.#address, identity));
    let error = "";
    const part = <T>(ask: Promise<Record<string, T>>): Promise<Record<string, T>> =>
      ask.catch((failure: unknown) => {
        error = errorText(failure);
        return {};
      });
    const [snapshots, rebuilds, purges, clones] = await Promise.all([
      part(disksOf(client)),
      part(rebuildsOf(client)),
      part(purgesOf(client)),
      part(clonesOf(client)),
    ]);
    this.#asked = { snapshots, rebuilds, purges, clones, error };
    this.#tell();
  }

  #tell(): void {
    if (this.#stopped || this.#state === null || this.#asked === null) return;
    const { name, record } = this.engine;
    const { volume, replicas, witness } = this.#state;
    const report = { name, uuid: record.uuid, volume, replicas, witness, ...this.#asked };
    if (JSON.stringify(report) === JSON.stringify(this.report)) return;
    this.report = report;
    this.log.debug({ engine: name, error: report.error }, "engine report");
    this.onReport(report);
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#stream?.close();
    this.#client?.close();
  }
}
