/**
 * One replica in this daemon: its directory, lock, record, store and data server, and the one place where control calls
 * and HELLOs are decided, one after the other.
 */
import { status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { DataServer, type DataServerEvent, type NativeError, type ReplicaStore } from "../native/index.js";
import type {
  EngineRequest,
  InheritedRegionsReply,
  MissedRegionsReply,
  MissedRegionsRequest,
  RecordRequest,
  ReplicaFacts,
} from "../proto/control.js";
import { RpcError } from "../proto/unary.js";
import { decideEngine, decideHello, decideRecord, type ControlDecision, type Standing } from "./decide.js";
import { setDirty, type ReplicaDirectory } from "./directory.js";
import { DATA_CONNECTIONS_MAX, DECISIONS_WAITING_MAX, PAYLOAD_BYTES_MAX, REGION_BYTES, STREAM_PAYLOAD_BYTES_MAX, STREAM_REQUESTS_MAX } from "./limits.js"; // prettier-ignore
import { writeRecord, type ReplicaRecord } from "./member-record.js";
import { afterRecord, beforeRecord, missedPart } from "./missed.js";
import { openReplica, type HostedReplicaOptions, type OpenedReplica } from "./open.js";
import { writeRevision } from "./revision-counter.js";
import { Serial } from "./serial.js";

// open --store failed--> failed      open, failed --close--> closed
type State = { state: "open" } | { state: "failed"; reason: string } | { state: "closed" };

export class HostedReplica {
  private state: State = { state: "open" };
  private readonly decisions = new Serial(DECISIONS_WAITING_MAX);
  private readonly store: ReplicaStore;
  private readonly data: DataServer;
  private dataPort = 0;
  private directory: ReplicaDirectory;
  private record_: ReplicaRecord;
  /** what `revision` is counted from: the counter when the store had done `writes` writes */
  private counted: { revision: number; writes: number } | null;

  private constructor(
    private readonly opened: OpenedReplica,
    private readonly log: Logger,
  ) {
    this.store = opened.store;
    this.directory = opened.directory;
    this.record_ = opened.record;
    this.counted = opened.revision === null ? null : { revision: opened.revision, writes: 0 };
    const options = {
      maxRequests: STREAM_REQUESTS_MAX,
      maxPayload: PAYLOAD_BYTES_MAX,
      maxPayloadInFlight: STREAM_PAYLOAD_BYTES_MAX,
      connectionsMax: DATA_CONNECTIONS_MAX,
    };
    this.data = new DataServer(this.store, options, (event) => this.onDataEvent(event));
  }

  /** Opens a directory. Nothing is served before `listen`.
   * @throws {ReplicaError | NativeError} and then nothing stays open */
  static async open(options: HostedReplicaOptions, log: Logger): Promise<HostedReplica> {
    const early: NativeError[] = [];
    let fail = (error: NativeError): void => void early.push(error);
    const opened = await openReplica(options, log, (error) => fail(error));
    const replica = new HostedReplica(opened, log);
    fail = (error) => replica.fail(error);
    early.forEach(fail);
    return replica;
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
      bootId: this.opened.bootId,
      directory: directory.path,
      dataPort: this.dataPort,
      revision: this.revision() ?? 0,
      allocated: stats.allocatedBytes,
      chain: [...directory.chain],
      heldGeneration: record.heldGeneration,
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
        const { replicaId } = this.record_;
        const isMember = member.members.includes(replicaId);
        // Who is left out has ended its work with this engine as well: what it has, others may not have.
        const takeover = this.record_.member?.engineId !== member.engineId || !isMember;
        await this.data.fence(isMember ? member.engineId : null);
        // Before the record: if that fails and is asked for again, a region inherited too early does no harm.
        if (takeover) await this.store.inherit();
        await this.keepRevision(member.revisionAtLeast);
        await beforeRecord(this.store, replicaId, member);
        const heldGeneration = isMember ? member.generation : this.record_.heldGeneration;
        await this.keepRecord({ ...this.record_, member, heldGeneration });
        await afterRecord(this.store, member);
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

  missedRegions(request: MissedRegionsRequest): Promise<MissedRegionsReply> {
    return this.decide(
      () => decideEngine(this.standing(), request),
      () => missedPart(this.store, request.skip),
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
      if (failed) await this.noteLoss();
      else await this.settleDown();
      await this.store.close();
      this.opened.lock.release();
    });
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

  // A failed sync may have dropped what was acknowledged, whatever the boot id says afterwards.
  private async noteLoss(): Promise<void> {
    try {
      await this.keepRecord({ ...this.record_, lostWrites: true });
    } catch (err) {
      this.log.error({ err }, "that writes may be lost could not be recorded");
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

  private fail(error: NativeError): void {
    if (this.state.state !== "open") return;
    this.state = { state: "failed", reason: error.message };
    this.log.error({ err: error }, "replica failed");
    void this.decisions.always(async () => {
      if (this.state.state === "closed") return; // and close has noted it
      await this.data.fence(null);
      await this.noteLoss();
    });
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
