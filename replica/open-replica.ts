/** A replica's directory that is open: its lock, files, store and data server, and what is kept durable of them. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Logger } from "pino";
import { DataServer, type DataServerEvent, type NativeError, type ReplicaStore } from "../native/index.js";
import type { Standing } from "./decide.js";
import { changeVolumeMeta, setDirty, type ReplicaDirectory } from "./directory.js";
import { DATA_CONNECTIONS_MAX, PAYLOAD_BYTES_MAX, STREAM_PAYLOAD_BYTES_MAX, STREAM_REQUESTS_MAX } from "./limits.js"; // prettier-ignore
import { writeRecord, type ReplicaRecord } from "./member-record.js";
import { markLoss, removeLossMark } from "./loss-mark.js";
import { openReplica, type HostedReplicaOptions, type OpenedReplica } from "./open.js";
import { REVISION_COUNTER, writeRevision } from "./revision-counter.js";

export interface OpenReplicaEvents {
  onData: (from: OpenReplica, event: DataServerEvent) => void;
  /** the store's disk failed */
  onFatal: (error: NativeError) => void;
}

export class OpenReplica {
  readonly store: ReplicaStore;
  readonly data: DataServer;
  directory: ReplicaDirectory;
  private chainChanged = false;
  /** its engine has found that it holds everything, since its rebuild began */
  private rebuilt = false;
  private closing: Promise<void> | null = null;
  private lossUntold_ = false;
  private record_: ReplicaRecord;
  /** what `revision` is counted from: the counter when the store had done `changes` writes and unmaps */
  private counted: { revision: number; changes: number } | null;

  /** another one each time that the directory is opened */
  readonly opening = randomUUID();

  private constructor(
    private readonly opened: OpenedReplica,
    private readonly log: Logger,
    events: OpenReplicaEvents,
  ) {
    this.store = opened.store;
    this.directory = opened.directory;
    this.record_ = opened.record;
    this.counted = opened.revision === null ? null : { revision: opened.revision, changes: 0 };
    const options = {
      maxRequests: STREAM_REQUESTS_MAX,
      maxPayload: PAYLOAD_BYTES_MAX,
      maxPayloadInFlight: STREAM_PAYLOAD_BYTES_MAX,
      connectionsMax: DATA_CONNECTIONS_MAX,
    };
    this.data = new DataServer(this.store, options, (event) => events.onData(this, event));
  }

  /** Nothing is served before `data` listens.
   * @param lost acknowledged writes may be lost, which the directory does not say
   * @throws {ReplicaError | NativeError} and then nothing stays open */
  static async open(
    options: HostedReplicaOptions,
    log: Logger,
    events: OpenReplicaEvents,
    lost = false,
  ): Promise<OpenReplica> {
    const early: NativeError[] = [];
    let onFatal = (error: NativeError): void => void early.push(error);
    const opened = await openReplica(options, log, (error) => onFatal(error), lost);
    const replica = new OpenReplica(opened, log, events);
    onFatal = events.onFatal;
    early.forEach(onFatal);
    try {
      await replica.tellRevision();
    } catch (error) {
      await replica.close("broken");
      throw error;
    }
    return replica;
  }

  get backing(): string {
    return this.opened.backing;
  }

  get record(): ReplicaRecord {
    return this.record_;
  }

  get bootId(): string {
    return this.opened.bootId;
  }

  /** Its rebuild has begun, and not come to an end. */
  get rebuildInterrupted(): boolean {
    const { replicaId, member } = this.record_;
    // Longhorn's clients clear the flag last, when the replica has become a member.
    return this.directory.meta.rebuilding && !this.rebuilt && member?.members.includes(replicaId) !== true;
  }

  get standing(): Standing {
    const { volume, replicaId, member, lostWrites } = this.record_;
    const { error } = this.directory.meta;
    const damage = error === "" ? "" : `volume.meta says: ${error}`;
    const unfit = this.rebuildInterrupted ? "its rebuild was interrupted" : damage;
    return { volume, replicaId, member, unfit, lostWrites, opening: this.opening };
  }

  /** Ends serving and closes all files, flushed if that works. Regions stay set unless the engine released. Idempotent.
   * @param how `lost`: what was acknowledged may be lost; `broken`: changes are held back, and must not be made any more */
  close(how: "orderly" | "lost" | "broken"): Promise<void> {
    return (this.closing ??= this.closeOnce(how));
  }

  private async closeOnce(how: "orderly" | "lost" | "broken"): Promise<void> {
    if (how === "broken") {
      await this.settleDown();
      await Promise.all([this.data.close(), this.store.close()]);
    } else {
      await this.data.close();
      if (how === "lost") await this.noteLoss();
      else await this.settleDown();
      await this.store.close();
    }
    this.opened.lock.release();
  }

  // With all durable, a restart of the machine loses nothing: the record says so by naming no boot.
  private async settleDown(): Promise<void> {
    try {
      await this.store.flush();
    } catch (err) {
      this.log.error({ err }, "replica could not be flushed");
      await this.noteLoss();
      return;
    }
    try {
      await this.keepRevision(0);
      await this.keepRecord({ ...this.record_, bootId: "" });
      this.directory = await setDirty(this.directory, false);
    } catch (err) {
      this.log.error({ err }, "replica could not be closed cleanly");
    }
  }

  /** A failed sync may have dropped what was acknowledged, whatever the boot id says afterwards. */
  async noteLoss(): Promise<void> {
    const { path } = this.directory;
    this.lossUntold_ = true;
    await markLoss(path)
      .then(() => (this.lossUntold_ = false))
      .catch((err: unknown) => this.log.error({ err }, "that writes may be lost could not be marked"));
    try {
      await this.keepRecord({ ...this.record_, lostWrites: true });
      this.lossUntold_ = false;
      await removeLossMark(path);
    } catch (err) {
      this.log.error({ err }, "that writes may be lost could not be recorded");
    }
  }

  /** Writes may be lost, and nothing in the directory says so. */
  get lossUntold(): boolean {
    return this.lossUntold_;
  }

  async keepRecord(record: ReplicaRecord): Promise<void> {
    await writeRecord(this.directory.path, record);
    this.record_ = record;
  }

  /** Longhorn's count of writes and unmaps; null when none is kept. */
  revision(): number | null {
    return this.revisionAfter(this.changes());
  }

  private revisionAfter(changes: number): number | null {
    if (this.counted === null) return null;
    const { replicaId, member } = this.record_;
    // What makes it a copy is not counted: half-made, it would be taken for the newest.
    const counts = member === null || member.members.includes(replicaId);
    return this.counted.revision + (counts ? changes - this.counted.changes : 0);
  }

  async keepRevision(atLeast: number): Promise<void> {
    // Once for both: the store counts on meanwhile.
    const changes = this.changes();
    await this.setRevision(Math.max(this.revisionAfter(changes) ?? 0, atLeast), changes);
  }

  async setRevision(revision: number, changes = this.changes()): Promise<void> {
    if (this.counted === null) return;
    const counted = { revision, changes };
    await writeRevision(this.directory.path, revision);
    this.counted = counted;
    if (this.closing === null) await this.tellRevision();
  }

  /** A Longhorn engine has to find in the file what it was answered, also when this process is killed. */
  private async tellRevision(): Promise<void> {
    if (this.counted === null) return;
    const { revision, changes } = this.counted;
    await this.data.keepRevision(join(this.directory.path, REVISION_COUNTER), revision, changes);
  }

  /** Writes and unmaps that have succeeded since the directory was opened. */
  changes(): number {
    return this.store.stats().changes;
  }

  /** What Longhorn calls dirty: changed since an orderly close, this one or an earlier one. */
  get dirty(): boolean {
    return this.chainChanged || this.opened.wasDirty || this.store.stats().writes > 0;
  }

  noteChainChanged(): void {
    this.chainChanged = true;
  }

  async setDirty(dirty: boolean): Promise<void> {
    this.directory = await setDirty(this.directory, dirty);
  }

  /** Its engine has found that it is equal to the other copies. */
  async noteAgreed(): Promise<void> {
    await this.keepRecord({ ...this.record_, lostWrites: false });
    this.rebuilt = true;
  }

  /** All that it holds is about to be replaced: it is nobody's copy, whatever it was. */
  async beginRebuild(): Promise<void> {
    this.rebuilt = false;
    if (this.record_.heldGeneration > 0) await this.keepRecord({ ...this.record_, heldGeneration: 0 });
    await this.change({ rebuilding: true });
  }

  /** Durably changes what volume.meta says. */
  async change(changes: { rebuilding: boolean }): Promise<void> {
    this.directory = await changeVolumeMeta(this.directory, changes);
  }
}
