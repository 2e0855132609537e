/**
 * The same world as Longhorn drives a volume: engines are the product's `Controller` behind its gRPC service, replicas are
 * opened by it and have sync agents, and a manager takes snapshots, reverts, purges, expands, and adds replicas through the
 * product's own clients.
 */
import type { Logger } from "pino";
import type { AttachedVolume } from "../../engine/attached-volume.js";
import { addReplica, removeReplica } from "../../engine/client/rebuild.js";
import { hashSnapshot, purgeSnapshots, removeSnapshot } from "../../engine/client/snapshots.js";
import { VolumeClient } from "../../engine/client/volume.js";
import { serveController } from "../../engine/controller/server.js";
import { Controller } from "../../engine/controller/controller.js";
import { ReplicaMode } from "../../proto/longhorn.js";
import { watchAttachment } from "./attachment.js";
import { sleep } from "./clock.js";
import type { Machine } from "./machine.js";
import { Violation } from "./model.js";
import { Process } from "./simulation.js";
import { SnapshotFiles } from "./snapshot-files.js";
import { SECTOR_BYTES } from "./sectors.js";
import { ATTENDED_MS, REPLICA_TIMEOUT_MS, VOLUME, VOLUME_BYTES, World, type Decision, type Engine, type WorldOptions } from "./world.js"; // prettier-ignore

const ENGINE_PORT = 9_500;
const FRESH_MS = 5_000;
const SNAPSHOTS_MAX = 250;
/** before a revert, for I/O under way to end */
const QUIET_MS = 5_000;
/** after which an engine has done what it was asked for, or never does */
const UNHEARD_MS = 60_000;
/** attempts to rebuild a replica from what it holds before its directory is emptied */
const REBUILDS_MAX = 3;

export class ManagedWorld extends World {
  protected readonly manager: Process;
  private readonly controllers = new Map<Engine, Controller>();
  private snapshots = 0;
  /** bytes, that the volume is to have, and that it is known to have */
  private nominal = VOLUME_BYTES;
  private size = VOLUME_BYTES;
  private isReverting = false;
  private isExpanding = false;
  /** being rebuilt, at most one */
  private adding: Machine | null = null;
  private addedAt = 0;
  /** addresses of those whose removal is asked for, and may still come */
  private readonly removing = new Set<string>();
  private readonly failures = new Map<Machine, number>();

  constructor(options: WorldOptions) {
    super(options);
    this.network.hosts.set("manager", { name: "manager", up: true, slowness: 1 });
    this.manager = new Process("manager", "manager");
  }

  protected override get isManaged(): boolean {
    return true;
  }

  /** While it is reverted the volume has no frontend. */
  protected override get admitsIo(): boolean {
    return !this.isReverting;
  }

  /** Sectors that may be used. */
  get sectors(): number {
    return this.size / SECTOR_BYTES;
  }

  // ---------------------------------------------------------------------------------------------- engines

  /** Replicas have to be closed before an engine opens them. */
  protected override async serve(engine: Engine, decision: Decision, log: Logger): Promise<AttachedVolume> {
    const { process, machine } = engine;
    const before = this.replicas.map(({ replica }) => replica?.process);
    const inOrder = this.simulation.random.chance(0.3);
    for (const replica of this.replicas) replica.restartReplica(inOrder);
    const isFresh = (replica: Machine, i: number) =>
      !replica.isUp || (replica.replica?.hosted != null && replica.replica.process !== before[i]);
    for (let waited = 0; waited < FRESH_MS && !this.replicas.every(isFresh); waited += 50) await sleep(50);
    const controller = new Controller(
      {
        ...{ volume: VOLUME, instanceName: "", size: this.nominal, currentSize: this.size, frontend: "" },
        ...{ listen: { host: machine.name, port: ENGINE_PORT }, replicas: [], upgrade: false, portals: [] },
        ...{ disableRevisionCounter: true, salvageRequested: decision.acceptLostWrites, hasData: false },
        ...{ replicaTimeoutMs: REPLICA_TIMEOUT_MS, unmapMarkSnapChainRemoved: false, snapshotMaxSize: 0 },
        ...{ snapshotMaxCount: SNAPSHOTS_MAX, bootIdFile: machine.bootIdFile, runDirectory: "/run" },
        ...{
          engineId: null,
          resumeFrom: [],
          witness: this.witnessAddress,
          takesFiles: false,
          dataSocket: null,
        },
      },
      () => this.simulation.after(0, null, () => process.die()),
      log,
    );
    const attached = {} as { volume: AttachedVolume };
    watchAttachment(process, {
      onHealth: (health) => this.healthChanged(engine, health),
      onAttached: (volume) => {
        attached.volume = volume;
        // Started anew, when its last replica was removed and one was added.
        if (engine.attached !== null) engine.attached = volume;
      },
    });
    await controller.start(this.given(decision), this.nominal, this.size);
    await serveController(controller, { host: machine.name, port: ENGINE_PORT }, "simulated");
    this.controllers.set(engine, controller);
    process.onDeath(() => this.controllers.delete(engine));
    this.learnSize(controller.volume().size);
    return attached.volume;
  }

  /** As an engine's process that is told to end: what changes all replicas ends first. */
  protected override async detach(engine: Engine): Promise<void> {
    await this.controllers.get(engine)?.shutdown();
  }

  /** Addresses of the replicas that a volume is started with. */
  private given({ acceptLostWrites }: Decision): string[] {
    const members = this.members();
    // Longhorn's manager salvages from those that failed last, never from one that it has removed, or that failed before others.
    const given = this.replicas.filter(({ name }) => !acceptLostWrites || members.has(name));
    return given.map(({ address }) => address);
  }

  private learnSize(bytes: number): void {
    if (bytes < this.size)
      this.simulation.fail(new Violation(`the volume has shrunk from ${this.size} to ${bytes} bytes`));
    this.size = bytes;
  }

  private get controller(): Controller | null {
    const { engine } = this;
    return engine?.isServing === true ? (this.controllers.get(engine) ?? null) : null;
  }

  // ---------------------------------------------------------------------------------------------- what a manager does

  /** @returns what the engine that serves now answered
   * @throws what it failed with; {Error} none serves */
  protected async ask<T>(what: string, use: (volume: VolumeClient) => Promise<T>): Promise<T> {
    const { engine } = this;
    if (this.controller === null || engine === null) throw new Error("no engine serves");
    const url = `${engine.machine.name}:${ENGINE_PORT}`;
    this.trace(`manager: ${what} begins`);
    try {
      const result = await this.manager.run(async () => {
        const volume = new VolumeClient(url, { volumeName: VOLUME, engineInstanceName: "" });
        try {
          return await use(volume);
        } finally {
          volume.close();
        }
      });
      this.trace(`manager: ${what} done`);
      return result;
    } catch (error) {
      this.trace(`manager: ${what} failed: ${(error as Error).message}`);
      throw error;
    }
  }

  /** What is asked for ends by itself; that it failed is of no consequence here. */
  private background(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (error instanceof Violation) this.simulation.fail(error);
    });
  }

  takeSnapshot(): void {
    const { engine } = this;
    if (this.controller === null || engine === null || this.isReverting) return;
    const name = `s${++this.snapshots}`;
    this.model.beginSnapshot(name);
    const { snapshots } = this.model;
    const request = { name, labels: {}, freezeFilesystem: false };
    const asked = this.ask(`snapshot ${name}`, ({ engine: connection }) =>
      connection.call("", (calls, options) => calls.volumeSnapshot(request, options)),
    );
    this.background(
      asked.then(
        () => snapshots.end(name, true),
        (error: unknown) => {
          const end = () => snapshots.end(name, false);
          // What comes of it nobody hears.
          if (isCutOff(error) && engine.process.alive) this.simulation.after(UNHEARD_MS, null, end);
          else end();
        },
      ),
    );
  }

  protected pick(index: number): string | null {
    const taken = this.model.snapshots.taken();
    return taken.at(index < 0 ? index : index % Math.max(1, taken.length)) ?? null;
  }

  revert(index: number): void {
    this.background(this.revertTo(index));
  }

  private async revertTo(index: number): Promise<void> {
    const { engine } = this;
    if (this.controller === null || engine === null || this.isReverting) return;
    this.isReverting = true;
    try {
      const name = this.pick(index);
      if (name === null || !(await this.isQuiet()) || !engine.isServing || engine !== this.engine) return;
      await this.ask(`revert to ${name}`, ({ engine: connection }) =>
        connection.call("", (calls, options) => calls.volumeRevert({ name }, options)),
      ).then(
        () => this.model.reverted(name, true),
        (error: unknown) => {
          if (/not valid state|since the target|removed snapshot|try again later/.test(String(error))) return;
          this.model.reverted(name, false);
          // What it may still do ends with it.
          if (isCutOff(error)) engine.process.die();
        },
      );
    } finally {
      this.isReverting = false;
    }
  }

  private async isQuiet(): Promise<boolean> {
    const until = this.simulation.now + QUIET_MS;
    while (!this.model.isIdle || this.model.snapshots.isTaking) {
      if (this.simulation.now >= until) return false;
      await this.manager.run(() => sleep(20));
    }
    return true;
  }

  removeSnapshot(index: number): void {
    const name = this.pick(index);
    if (name === null || this.controller === null || this.isReverting) return;
    this.model.snapshots.remove(name);
    this.background(this.ask(`remove ${name}`, (volume) => removeSnapshot(volume, name)));
  }

  purge(): void {
    this.background(this.ask("purge", (volume) => purgeSnapshots(volume, true)));
  }

  hash(index: number, rehash = false): void {
    const name = this.pick(index);
    if (name !== null)
      this.background(this.ask(`hash ${name}`, (volume) => hashSnapshot(volume, name, rehash)));
  }

  expand(bytes: number): void {
    if (this.controller === null || this.nominal !== this.size || this.isExpanding) return;
    this.nominal = this.size + bytes;
    this.goOnExpanding();
  }

  private goOnExpanding(): void {
    const size = this.nominal;
    this.isExpanding = true;
    this.background(
      this.ask(`expand to ${size}`, async (volume) => {
        await volume.engine.call("", (calls, options) => calls.volumeExpand({ size }, options));
        for (;;) {
          const { isExpanding, size: present, lastExpansionError } = await volume.get();
          if (!isExpanding) {
            this.learnSize(present);
            if (lastExpansionError !== "") this.trace(`expansion: ${lastExpansionError}`);
            // Whoever asked for it gives up, where nobody can have grown.
            if (present < size && !/ResultUnknown|RollbackFailed/.test(lastExpansionError))
              this.nominal = present;
            return;
          }
          await sleep(100);
        }
      }).finally(() => (this.isExpanding = false)),
    );
  }

  removeReplica(machine: Machine): void {
    const { address } = machine;
    // The last copy stays.
    const stays = (one: string) => one !== address && !this.removing.has(one);
    if (this.adding !== null || !this.readable().some(stays)) return;
    this.removing.add(address);
    const end = () => this.removing.delete(address);
    this.background(
      this.ask(`remove ${machine.name}`, (volume) => removeReplica(volume, address)).then(
        end,
        (error: unknown) => {
          if (isCutOff(error)) this.simulation.after(UNHEARD_MS, null, end);
          else end();
        },
      ),
    );
  }

  addReplica(machine: Machine, empty: boolean): void {
    if (this.adding !== null || this.controller === null) return;
    if (this.readable().includes(machine.address)) return;
    // What the volume still counts is left out of it first.
    if (empty && !this.mayBeCopy(machine) && !this.members().has(machine.name)) machine.emptyDirectory();
    this.adding = machine;
    this.addedAt = this.simulation.now;
    const { address } = machine;
    const added = { address, instanceName: "", size: this.nominal, currentSize: this.size };
    const options = { fastSync: true, fileSyncHttpClientTimeout: 5, grpcTimeoutSeconds: 60 };
    this.background(
      this.ask(`add ${machine.name}`, (volume) => addReplica(volume, added, options))
        .then(
          () => this.failures.delete(machine),
          (error: unknown) => {
            this.failures.set(machine, (this.failures.get(machine) ?? 0) + 1);
            throw error;
          },
        )
        .finally(() => (this.adding = null)),
    );
  }

  /** Addresses of the copies. */
  private readable(): string[] {
    const listed = this.controller?.replicas() ?? [];
    return listed.filter(({ mode }) => mode === ReplicaMode.RW).map(({ address }) => address);
  }

  /** Nobody empties a directory before others are known to hold everything. */
  private mayBeCopy(machine: Machine): boolean {
    const readable = this.readable();
    return readable.length === 0 || readable.includes(machine.address);
  }

  // ---------------------------------------------------------------------------------------------- the end

  protected override isWhole(): boolean {
    if (!super.isWhole() || this.adding !== null || this.isReverting) return false;
    if (this.isExpanding || this.nominal !== this.size || this.model.snapshots.isTaking) return false;
    return this.readable().length === this.replicas.length;
  }

  /** What the engine does not do by itself. */
  protected override attend(): void {
    const { now } = this.simulation;
    if (this.controller !== null && this.nominal !== this.size && !this.isExpanding) this.goOnExpanding();
    if (this.controller === null || this.adding !== null || now < this.addedAt + ATTENDED_MS) return;
    const readable = this.readable();
    // First what was begun: there is one rebuild at a time.
    const written = new Set(
      this.controller.replicas().flatMap(({ address, mode }) => (mode === ReplicaMode.WO ? [address] : [])),
    );
    const others = this.replicas.filter(({ address }) => !readable.includes(address));
    const machine = others.find(({ address }) => written.has(address)) ?? others[0];
    if (machine === undefined) return;
    if ((this.failures.get(machine) ?? 0) >= REBUILDS_MAX && !this.mayBeCopy(machine)) {
      this.trace(`somebody empties ${machine.name}`);
      this.emptied++;
      this.failures.delete(machine);
      this.removeReplica(machine);
      machine.emptyDirectory();
    }
    this.addReplica(machine, false);
  }

  protected override checkAll(): boolean {
    if (!super.checkAll()) return false;
    const files = this.replicas.map((machine) => new SnapshotFiles(machine));
    // What is removed, or put right at this moment, is looked at when that has ended.
    if (files.some(({ isBusy }) => isBusy)) return false;
    SnapshotFiles.check(files, this.model);
    return true;
  }
}

/** No answer came from the engine: what was asked for may still be done. */
function isCutOff(error: unknown): boolean {
  return /^: rpc error: code = \w+ desc = (No connection|connection error|Deadline)/.test(
    (error as Error).message,
  );
}
