/**
 * One replica in this daemon: its directory, lock, record, store and data server, and the one place where control calls
 * and HELLOs are decided, one after the other.
 */
import { status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { DataServer, openStore, type DataServerEvent, type Layer, type NativeError, type ReplicaStore } from "../native/index.js"; // prettier-ignore
import type { EngineRequest, InheritedRegionsReply, RecordRequest, ReplicaFacts } from "../proto/control.js";
import { RpcError } from "../proto/unary.js";
import { join } from "node:path";
import { backingLayer, backingPath } from "./backing-file.js";
import { readBootId } from "./boot-id.js";
import { createIfEmpty, ensureDirectory } from "./create.js";
import { decideEngine, decideHello, decideRecord, mayHaveLostWrites, type ControlDecision, type Standing } from "./decide.js"; // prettier-ignore
import { openDirectory, setDirty, type ReplicaDirectory } from "./directory.js";
import { establishIdentity, REGION_MAP_NAME, type Identity } from "./identity.js";
import { DATA_CONNECTIONS_MAX, DECISIONS_WAITING_MAX, IO_THREADS, PAYLOAD_BYTES_MAX, REGION_BYTES, STREAM_PAYLOAD_BYTES_MAX, STREAM_REQUESTS_MAX } from "./limits.js"; // prettier-ignore
import { lockDirectory, type DirectoryLock } from "./lock.js";
import { writeRecord, type ReplicaRecord } from "./member-record.js";
import { readRevision, writeRevision } from "./revision-counter.js";
import { Serial } from "./serial.js";

export interface HostedReplicaOptions extends Identity {
  directory: string;
  /** bytes: creates the volume in an empty directory, has to match otherwise; null: never creates */
  size: number | null;
  cache: "writeback" | "none";
  /** absolute path; null: as stored in volume.meta */
  backingFile: string | null;
  /** null: the kernel's */
  bootIdFile: string | null;
}

// open --store failed--> failed      open, failed --close--> closed
type State = { state: "open" } | { state: "failed"; reason: string } | { state: "closed" };

/** What `open` has gathered. */
interface Parts {
  lock: DirectoryLock;
  directory: ReplicaDirectory;
  record: ReplicaRecord;
  bootId: string;
  /** Longhorn's counter at open, null without one */
  revision: number | null;
}

export class HostedReplica {
  private state: State = { state: "open" };
  private readonly decisions = new Serial(DECISIONS_WAITING_MAX);
  private readonly data: DataServer;
  private dataPort = 0;
  private directory: ReplicaDirectory;
  private record_: ReplicaRecord;
  /** what `revision` is counted from: the counter when the store had done `writes` writes */
  private counted: { revision: number; writes: number } | null;

  private constructor(
    private readonly parts: Parts,
    private readonly store: ReplicaStore,
    private readonly log: Logger,
  ) {
    this.directory = parts.directory;
    this.record_ = parts.record;
    this.counted = parts.revision === null ? null : { revision: parts.revision, writes: 0 };
    const options = {
      maxRequests: STREAM_REQUESTS_MAX,
      maxPayload: PAYLOAD_BYTES_MAX,
      maxPayloadInFlight: STREAM_PAYLOAD_BYTES_MAX,
      connectionsMax: DATA_CONNECTIONS_MAX,
    };
    this.data = new DataServer(store, options, (event) => this.onDataEvent(event));
  }

  /** Locks, creates if asked to, checks and opens a directory. Nothing is served before `listen`.
   * @throws {ReplicaError | NativeError} and then nothing stays open */
  static async open(options: HostedReplicaOptions, log: Logger): Promise<HostedReplica> {
    const path = options.directory;
    if (options.size !== null) await ensureDirectory(path);
    const lock = lockDirectory(path);
    try {
      const bootId = await readBootId(options.bootIdFile ?? undefined);
      if (await createIfEmpty(path, options)) log.info({ size: options.size }, "volume created");
      let directory = await openDirectory(path);
      const layers = await layersOf(directory, options.backingFile);
      const revision = await readRevision(path);
      const record = await establishIdentity(path, options, bootId);
      let replica: HostedReplica | null = null;
      const early: NativeError[] = [];
      const store = await openStore(
        {
          ...layers,
          size: directory.meta.size,
          cache: options.cache,
          regionMapPath: join(path, REGION_MAP_NAME),
          regionSize: REGION_BYTES,
          ioThreads: IO_THREADS,
        },
        (error) => (replica === null ? early.push(error) : replica.fail(error)),
      );
      try {
        const opened = await HostedReplica.noteBoot(path, record, bootId, store, log);
        directory = await setDirty(directory, true);
        replica = new HostedReplica({ lock, directory, record: opened, bootId, revision }, store, log);
      } catch (error) {
        await store.close();
        throw error;
      }
      for (const error of early) replica.fail(error);
      if (directory.leftovers.length > 0)
        log.warn({ files: directory.leftovers }, "leftover files are ignored");
      return replica;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  // Before anything is served: a second restart must not hide what the first one lost.
  private static async noteBoot(
    path: string,
    record: ReplicaRecord,
    bootId: string,
    store: ReplicaStore,
    log: Logger,
  ) {
    const { dirtyRegions } = store.stats();
    const lostNow = mayHaveLostWrites(record.bootId, bootId, dirtyRegions);
    if (lostNow) log.warn({ from: record.bootId, to: bootId, dirtyRegions }, "acknowledged writes may be lost: the machine restarted"); // prettier-ignore
    if (!lostNow && record.bootId === bootId) return record;
    const noted = { ...record, bootId, lostWrites: record.lostWrites || lostNow };
    await writeRecord(path, noted);
    return noted;
  }

  /** Serves data. @returns the address bound */
  async listen(host: string, port: number): Promise<{ host: string; port: number }> {
    const bound = await this.data.listen(host, port);
    this.dataPort = bound.port;
    return bound;
  }

  get identity(): { volume: string; replicaId: string } {
    return { volume: this.record_.volume, replicaId: this.record_.replicaId };
  }

  /** Facts for the decision which copies are current. */
  identify(): ReplicaFacts {
    this.checkOpen();
    const { directory, record_: record } = this;
    const { volume, replicaId, unfit } = this.standing();
    const stats = this.store.stats();
    return {
      volume,
      replicaId,
      unfit,
      size: directory.meta.size,
      record: record.member,
      lostWrites: record.lostWrites,
      inheritedRegions: stats.dirtyRegions,
      regionSize: REGION_BYTES,
      bootId: this.parts.bootId,
      directory: directory.path,
      dataPort: this.dataPort,
      revision: this.revision() ?? 0,
      allocated: stats.allocatedBytes,
      chain: [...directory.chain],
    };
  }

  /** A new generation, or new state of the present engine. When it resolves, no other engine's request can touch the store
   * any more and the record is durable. */
  record(request: RecordRequest): Promise<void> {
    return this.decide(
      () => decideRecord(this.standing(), request),
      async () => {
        const member = request.record;
        if (member === null) return;
        const takeover = this.record_.member?.engineId !== member.engineId;
        await this.data.fence(member.engineId);
        // Before the record: if that fails and is asked for again, a region inherited too early does no harm.
        if (takeover) await this.store.inherit();
        await this.keepRevision(member.revisionAtLeast);
        await this.keepRecord({ ...this.record_, member });
        this.log.info({ generation: member.generation, members: member.members, engineId: member.engineId, takeover }, "generation recorded"); // prettier-ignore
      },
    );
  }

  inheritedRegions(request: EngineRequest): Promise<InheritedRegionsReply> {
    return this.decide(
      () => decideEngine(this.standing(), request),
      () => ({ regionSize: REGION_BYTES, bitmap: this.store.inheritedRegions() }),
    );
  }

  agreed(request: EngineRequest): Promise<void> {
    return this.decide(
      () => decideEngine(this.standing(), request),
      async () => {
        await this.store.agreed();
        await this.keepRecord({ ...this.record_, lostWrites: false });
        this.log.info({}, "copies agree");
      },
    );
  }

  /** The engine's orderly end. */
  release(request: EngineRequest): Promise<void> {
    return this.decide(
      () => decideEngine(this.standing(), request),
      async () => {
        await this.data.fence(null);
        await this.store.release();
        await this.keepRevision(0);
        this.directory = await setDirty(this.directory, false);
        this.log.info({ engineId: request.engineId }, "released by its engine");
      },
    );
  }

  /** Ends serving and closes all files, flushed if that works. Regions stay set unless the engine released. Idempotent. */
  close(): Promise<void> {
    return this.decisions.always(async () => {
      if (this.state.state === "closed") return;
      const failed = this.state.state === "failed";
      this.state = { state: "closed" };
      await this.data.close();
      if (!failed) await this.settleDown();
      await this.store.close();
      this.parts.lock.release();
    });
  }

  // With all durable, a restart of the machine loses nothing: the record says so by naming no boot.
  private async settleDown(): Promise<void> {
    try {
      await this.store.flush();
      await this.keepRevision(0);
      await this.keepRecord({ ...this.record_, bootId: "" });
      this.directory = await setDirty(this.directory, false);
    } catch (err) {
      this.log.error({ err }, "replica could not be closed cleanly");
    }
  }

  private standing(): Standing {
    const { volume, replicaId, member } = this.record_;
    const { rebuilding, error } = this.directory.meta;
    if (rebuilding) return { volume, replicaId, member, unfit: "its rebuild was interrupted" };
    return { volume, replicaId, member, unfit: error === "" ? "" : `volume.meta says: ${error}` };
  }

  private decide<T>(decision: () => ControlDecision, act: () => T | Promise<T>): Promise<T> {
    return this.decisions.run(() => {
      this.checkOpen();
      const decided = decision();
      if (!decided.accept) throw new RpcError(status[decided.code], decided.message);
      return act();
    });
  }

  private checkOpen(): void {
    const text = this.notOpen();
    if (text !== null) throw new RpcError(status.UNAVAILABLE, text);
  }

  private notOpen(): string | null {
    if (this.state.state === "open") return null;
    return this.state.state === "failed"
      ? `the replica failed: ${this.state.reason}`
      : "the replica is closed";
  }

  private onDataEvent(event: DataServerEvent): void {
    if (event.type === "closed") {
      this.log.info({ stream: event.stream, reason: event.reason }, "data stream closed");
      return;
    }
    const { stream, hello, remote } = event;
    const who = { stream, remote, engineId: hello.engineId, generation: hello.generation };
    // In turn with Record: an engine must not slip in between the fencing and the record that keeps it out.
    this.decisions
      .run(async () => {
        const closed = this.notOpen();
        const decided = closed === null ? decideHello(this.standing(), event.protocolVersion, hello) : { accept: false as const, status: "NOT_OPEN" as const, message: closed }; // prettier-ignore
        if (!decided.accept) {
          this.log.warn({ ...who, status: decided.status, reason: decided.message }, "data stream rejected");
          this.data.reject(stream, decided.status, decided.message);
          return;
        }
        this.directory = await setDirty(this.directory, true); // a release may lie between
        this.data.accept(stream);
        this.log.info(who, "data stream accepted");
      })
      .catch((err: unknown) => {
        this.log.error({ err, ...who }, "data stream could not be accepted");
        this.data.reject(stream, "IO_ERROR", err instanceof Error ? err.message : String(err));
      });
  }

  // A failed sync may have dropped what was acknowledged, whatever the boot id says afterwards.
  private fail(error: NativeError): void {
    if (this.state.state !== "open") return;
    this.state = { state: "failed", reason: error.message };
    this.log.error({ err: error }, "replica failed");
    this.decisions
      .always(async () => {
        await this.data.fence(null);
        await this.keepRecord({ ...this.record_, lostWrites: true });
      })
      .catch((err: unknown) => this.log.error({ err }, "the failure could not be recorded"));
  }

  private async keepRecord(record: ReplicaRecord): Promise<void> {
    await writeRecord(this.directory.path, record);
    this.record_ = record;
  }

  private revision(): number | null {
    if (this.counted === null) return null;
    return this.counted.revision + this.store.stats().writes - this.counted.writes;
  }

  private async keepRevision(atLeast: number): Promise<void> {
    const revision = this.revision();
    if (revision === null) return;
    const counted = { revision: Math.max(revision, atLeast), writes: this.store.stats().writes };
    await writeRevision(this.directory.path, counted.revision);
    this.counted = counted;
  }
}

async function layersOf(
  directory: ReplicaDirectory,
  backingFile: string | null,
): Promise<{ layers: Layer[]; backing: boolean }> {
  const layers: Layer[] = directory.chain.map((name) => ({ path: join(directory.path, name) })).reverse();
  const path = backingPath(directory, backingFile);
  if (path === null) return { layers, backing: false };
  return { layers: [await backingLayer(path, directory.meta.size), ...layers], backing: true };
}
