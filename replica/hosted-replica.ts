/**
 * One replica in this daemon: open or not, and the one queue in which control calls and HELLOs are decided, one after the
 * other.
 */
import { closeSync, mkdirSync, rmSync } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { listenTcp, listenUnix, type DataServerEvent } from "../native/index.js";
import type { ReplicaFacts } from "../proto/control.js";
import { RpcError } from "../proto/unary.js";
import { decideDataconn, decideHello, type HelloDecision } from "./decide.js";
import { CHAIN_FILES_MAX, DECISIONS_WAITING_MAX, HEAD_CHECK_MS } from "./limits.js";
import { lookAt } from "./directory.js";
import { LiveChain } from "./live-chain.js";
import { OpenReplica, type OpenReplicaEvents } from "./open-replica.js";
import type { HostedReplicaOptions, SnapshotSettings } from "./open.js";
import { Purge } from "./purge.js";
import { ReplicaError, systemError } from "./replica-error.js";
import { Serial } from "./serial.js";

// closed --open--> open --close--> closed     open --its disk failed, or directory and store disagree--> failed
// failed --close--> closed                    any --end--> ended, which is final
type State =
  /** `onPurpose`: a client has closed it, and an engine that asks for it must not open it behind the client's back */
  | { state: "closed"; onPurpose: boolean }
  | { state: "open"; replica: OpenReplica; chain: LiveChain; purge: Purge }
  | { state: "failed"; replica: OpenReplica; purge: Purge; how: "lost" | "broken"; reason: string }
  | { state: "ended" };

export type HostedState = Exclude<State, { state: "ended" }>;

/** Where data are served, of a unix socket its path. */
export type DataAddress = { host: string; port: number } | { path: string };

export class HostedReplica {
  readonly settings: SnapshotSettings;
  private state: State = { state: "closed", onPurpose: false };
  private readonly decisions = new Serial(DECISIONS_WAITING_MAX);
  /** where data are served while open; null: nowhere yet */
  private socket: { fd: number; served: Pick<ReplicaFacts, "dataPort" | "dataSocket"> } | null = null;
  /** acknowledged writes may be lost, which the directory does not say: this process alone knows */
  private lossUntold = false;
  private headCheck: NodeJS.Timeout | null = null;
  private readers = 0;

  private constructor(
    readonly options: HostedReplicaOptions,
    private readonly log: Logger,
  ) {
    const { countMax = CHAIN_FILES_MAX, bytesMax = 0, unmapMarksRemoved = false } = options.snapshots ?? {};
    this.settings = { countMax, bytesMax, unmapMarksRemoved };
  }

  /** Opens a directory, unless it is to start closed. Nothing is served before `listen`.
   * @throws {ReplicaError | NativeError} and then nothing stays open */
  static async open(options: HostedReplicaOptions, log: Logger): Promise<HostedReplica> {
    const hosted = new HostedReplica(options, log);
    if (options.startClosed !== true) await hosted.open(options.size);
    else if (options.size !== null && (await isInitial(options.directory))) {
      await hosted.open(options.size);
      await hosted.shut();
    }
    return hosted;
  }

  /** Serves data whenever the replica is open. Who connects before that waits: Longhorn's engine does, and opens it then.
   * @param at port 0: a free one; a path's folder is made
   * @throws {Error} what is in the way there */
  listen(at: DataAddress): void {
    this.socket = "path" in at ? serveUnix(at.path) : serveTcp(at.host, at.port);
    if (this.state.state === "open") this.state.replica.data.listen(this.socket.fd);
  }

  /** Neither is known yet before `listen`. */
  get served(): Pick<ReplicaFacts, "dataPort" | "dataSocket"> {
    return this.socket?.served ?? { dataPort: 0, dataSocket: "" };
  }

  /** "" while it is not known: the replica is not open, and nobody has said. */
  get identity(): { volume: string; replicaId: string } {
    if (this.state.state === "open") {
      const { volume, replicaId } = this.state.replica.record;
      return { volume, replicaId };
    }
    return { volume: this.options.volume ?? "", replicaId: this.options.replicaId ?? "" };
  }

  /** The replica while it is open. */
  get current(): Extract<State, { state: "open" }> | null {
    return this.state.state === "open" ? this.state : null;
  }

  /** How it is at this moment; within `run` also after what was done there. */
  get now(): HostedState {
    return this.hosted();
  }

  /** Runs `work` with the replica as it is, in turn with all other decisions.
   * @throws {RpcError} UNAVAILABLE after the end */
  run<T>(work: (state: HostedState) => T | Promise<T>): Promise<T> {
    return this.decisions.run(() => work(this.hosted()));
  }

  /** Runs `work`, which reads snapshots' files, while unmap frees nothing in them: one that was kept when it began may be marked
   * as removed meanwhile. */
  async whileRead<T>(work: () => Promise<T>): Promise<T> {
    const note = () =>
      this.decisions.always(() => (this.state.state === "open" ? this.state.chain.noteRemoved() : undefined));
    this.readers++;
    try {
      await note();
      return await work();
    } finally {
      this.readers--;
      await note().catch((err: unknown) => this.log.warn({ err }, "unmap frees nothing in snapshots"));
    }
  }

  /** Opens the directory; only within `run`.
   * @param size bytes, of a volume to create, or that has to be there; null: whatever is there */
  async open(size: number | null = null): Promise<void> {
    const events: OpenReplicaEvents = {
      onData: (from, event) => this.onDataEvent(from, event),
      onFatal: (error) => this.fail(error, "lost"),
    };
    const replica = await OpenReplica.open({ ...this.options, size }, this.log, events, this.lossUntold);
    this.lossUntold = false;
    const onBroken = (error: Error) => this.fail(error, "broken");
    const inTurn = (work: () => Promise<void>) =>
      void this.decisions.always(() =>
        this.state.state === "open" && this.state.chain === chain ? work() : undefined,
      );
    const areRead = () => this.readers > 0;
    const chain = new LiveChain(replica, this.options, this.settings, onBroken, inTurn, areRead, this.log);
    const purge = new Purge(this, chain, this.log);
    try {
      await chain.noteRemoved();
      if (this.socket !== null) replica.data.listen(this.socket.fd);
    } catch (error) {
      await replica.close("orderly");
      this.lossUntold = replica.lossUntold;
      throw error;
    }
    this.state = { state: "open", replica, chain, purge };
    this.checkHeadLater();
    this.log.info({ chain: replica.directory.chain }, "replica opened");
  }

  /** Ends serving and closes all files; the replica stays hosted. Only within `run`.
   * @param onPurpose it stays closed until somebody calls `open` */
  async shut(onPurpose = false): Promise<void> {
    const was = this.state;
    if (was.state !== "open" && was.state !== "failed") return;
    this.state = { state: "closed", onPurpose };
    if (this.headCheck !== null) clearTimeout(this.headCheck);
    if (was.state === "open") await was.chain.abandon();
    await was.purge.stopped();
    await was.replica.close(was.state === "failed" ? was.how : "orderly");
    this.lossUntold = was.replica.lossUntold;
    this.log.info({}, "replica closed");
  }

  /** The end. Idempotent. */
  close(): Promise<void> {
    return this.decisions.always(async () => {
      await this.shut();
      this.state = { state: "ended" };
      this.stopListening();
    });
  }

  private stopListening(): void {
    if (this.socket === null) return;
    const { fd, served } = this.socket;
    this.socket = null;
    // While it listens nobody else takes its place.
    try {
      if (served.dataSocket !== "") rmSync(served.dataSocket, { force: true });
    } finally {
      closeSync(fd);
    }
  }

  /** The open replica; one that is closed is opened. Only within `run`.
   * @throws {RpcError} UNAVAILABLE when it failed or was closed by a client; what opening it throws */
  async opened(): Promise<Extract<State, { state: "open" }>> {
    if (this.state.state === "failed")
      throw new RpcError(status.UNAVAILABLE, `the replica failed: ${this.state.reason}`);
    if (this.state.state === "closed" && this.state.onPurpose)
      throw new RpcError(status.UNAVAILABLE, "the replica was closed by ReplicaClose: ReplicaOpen opens it");
    if (this.state.state !== "open") await this.open();
    return this.state as Extract<State, { state: "open" }>;
  }

  private hosted(): HostedState {
    if (this.state.state === "ended") throw new RpcError(status.UNAVAILABLE, "the replica is closed");
    return this.state;
  }

  private onDataEvent(replica: OpenReplica, event: DataServerEvent): void {
    if (event.type === "closed") {
      this.log.info({ stream: event.stream, reason: event.reason }, "data stream closed");
      return;
    }
    // In turn with Record: an engine must not slip in between the fencing and the record that keeps it out.
    void this.decisions.always(() => this.admit(replica, event));
  }

  private async admit(
    replica: OpenReplica,
    event: Exclude<DataServerEvent, { type: "closed" }>,
  ): Promise<void> {
    const { stream, remote } = event;
    const who =
      event.type === "hello"
        ? { stream, remote, engineId: event.hello.engineId, generation: event.hello.generation }
        : { stream, remote, protocol: "Longhorn" };
    try {
      const decided = this.decideStream(replica, event);
      if (!decided.accept) {
        this.log.warn({ ...who, status: decided.status, reason: decided.message }, "data stream rejected");
        replica.data.reject(stream, decided.status, decided.message);
        return;
      }
      await replica.setDirty(true); // a release may lie between
      replica.data.accept(stream);
      this.log.info(who, "data stream accepted");
    } catch (err) {
      this.log.error({ err, ...who }, "data stream could not be accepted");
      replica.data.reject(stream, "IO_ERROR", err instanceof Error ? err.message : String(err));
    }
  }

  private decideStream(
    replica: OpenReplica,
    event: Exclude<DataServerEvent, { type: "closed" }>,
  ): HelloDecision {
    const { state } = this;
    const served = state.state === "open" && state.replica === replica;
    if (served) {
      return event.type === "hello"
        ? decideHello(replica.standing, event.protocolVersion, event.hello)
        : decideDataconn(replica.standing);
    }
    const message =
      state.state === "failed" ? `the replica failed: ${state.reason}` : "the replica is closed";
    return { accept: false, status: "NOT_OPEN", message };
  }

  /** Who unlinks the head's file takes away what only this process still reads: it has to be known while another copy is
   * there. In turn, since a head is replaced by steps. All replicas of a process look at the same moments: it is woken once. */
  private checkHeadLater(): void {
    const leftMs = HEAD_CHECK_MS - (Date.now() % HEAD_CHECK_MS);
    this.headCheck = setTimeout(() => {
      void this.decisions
        .run(async () => {
          if (this.state.state !== "open") return;
          const { path, meta } = this.state.replica.directory;
          const head = join(path, meta.head);
          await stat(head).catch((error: unknown) => {
            const reason = systemError(error, "find the head", head);
            if (reason.code === "MISSING") this.lose(reason);
          });
        })
        // Too much to be decided: it is looked at later.
        .catch(() => undefined)
        .finally(() => {
          if (this.state.state === "open") this.checkHeadLater();
        });
    }, leftMs).unref();
  }

  /** What was written is not safe any more: nothing is served until the replica is closed. */
  lose(error: Error): void {
    this.fail(error, "lost");
  }

  private fail(error: Error, how: "lost" | "broken"): void {
    if (this.state.state !== "open") return;
    const { replica, purge } = this.state;
    this.state = { state: "failed", replica, purge, how, reason: error.message };
    this.log.error({ err: error }, "replica failed");
    void this.decisions.always(async () => {
      if (how === "broken") return purge.stopped().then(() => replica.close(how));
      if (this.state.state !== "failed") return; // and closing it has noted it
      await replica.data.fence(null);
      await replica.noteLoss();
    });
  }
}

// A replica that is hosted closed may have been expanded since its size was given, and what is damaged is told by its state.
async function isInitial(path: string): Promise<boolean> {
  try {
    return (await lookAt(path)).state !== "volume";
  } catch (error) {
    if (!(error instanceof ReplicaError)) throw error;
    return error.code === "MISSING" || error.code === "FOREIGN";
  }
}

function serveTcp(host: string, port: number) {
  const { fd, port: dataPort } = listenTcp(host, port);
  return { fd, served: { dataPort, dataSocket: "" } };
}

function serveUnix(path: string) {
  mkdirSync(dirname(path), { recursive: true });
  return { fd: listenUnix(path), served: { dataPort: 0, dataSocket: path } };
}
