/**
 * A replica in TypeScript and memory: Longhorn's ReplicaService and sync agent, with either our control service and data
 * stream, or Longhorn's data protocol and nothing of ours; with snapshots that are plain copies. The twin of a replica
 * daemon where a test needs a replica that hangs or fails at a given call.
 */
import { createHash } from "node:crypto";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import {
  ReplicaControl,
  type MemberRecord,
  type PrepareSnapshotRequest,
  type ReplicaFacts,
} from "../../proto/control.js";
import { PROTOCOL_VERSION } from "../../proto/dataplane.js";
import { freePorts } from "../../cli/free-ports.js";
import {
  ReplicaService,
  SyncAgentService,
  type BackupStatusResponse,
  type DiskInfo,
  type Replica,
  type SnapshotHashStatusResponse,
} from "../../proto/longhorn.js";
import { StreamError, type StreamFailure } from "../../proto/stream-backend.js";
import { startStreamServer, type StreamServer } from "../../proto/stream-server.js";
import { RpcError, unaryHandlers, type Handlers } from "../../proto/unary.js";
import { decideHello, decideRecord, type Standing } from "../../replica/decide.js";
import { SYNC_AGENT_PORT_OFFSET } from "../../replica/sync/addresses.js";
import { MemoryBackend } from "../contract/memory-backend.js";
import { LIMITS } from "../contract/pairing.js";
import { DataconnServer, TYPE, type Answer, type Request } from "./dataconn-server.js";

const REGION_BYTES = 1 << 20;
const GRAIN_BYTES = 64 << 10;

export type Call =
  | keyof typeof ReplicaService
  | "prepareSnapshot"
  | "commitSnapshot"
  | "abandonSnapshot"
  | "identify"
  | "inheritedRegions"
  | "agreed"
  | "filesSync"
  | "replicaRebuildStatus"
  | "snapshotClone";

export class TwinReplica {
  readonly calls: Call[] = [];
  /** what a call does before (or instead of) what it is for */
  readonly faults = new Map<Call, () => Promise<void>>();
  /** one bit per region that may differ from other copies */
  inherited = new Uint8Array();
  /** how many of the next records are refused */
  recordsToRefuse = 0;
  backend: MemoryBackend;
  isOpen = false;
  rebuilding = false;
  revisionCounterDisabled = false;
  maxCount = 250;
  maxSize = 0;
  unmapMark = false;
  headFileSize = 4096;
  /** "": none */
  backingFile = "";
  /** false: it has to learn its volume from an engine */
  isNamed = true;
  revisionCounter = 0;
  /** one of Longhorn's own, with nothing of ours */
  isLonghorns = false;
  /** where that serves its data, path of a unix socket; null: at the port behind its own */
  dataSocket: string | null = null;
  /** its process ended without closing it */
  wasKilled = false;
  lastModifyTime = 0;
  /** what its data port does with a request before (or instead of) what it is for */
  dataFault: ((request: Request) => Promise<Answer | null | undefined>) | null = null;
  longhornData: DataconnServer | null = null;
  /** what its sync agent says */
  syncState: "" | "in_progress" | "complete" | "error" = "";
  readonly backups = new Map<string, BackupStatusResponse>();
  /** by the bare names of snapshots */
  readonly hashes = new Map<string, SnapshotHashStatusResponse>();
  #chain: string[] = ["volume-head-000.img"];
  #snapshots = new Map<string, { content: Uint8Array; disk: DiskInfo }>();
  #prepared: PrepareSnapshotRequest | null = null;
  #member: MemberRecord | null = null;
  #data: StreamServer | null = null;
  #server: Server | null = null;
  #agent: Server | null = null;
  /** replicas that its sync agent can copy from, by `host:port` */
  readonly peers = new Map<string, TwinReplica>();
  #port = 0;

  constructor(
    readonly id: string,
    private readonly volume: string,
    size: number,
  ) {
    this.backend = new MemoryBackend(size);
  }

  get address(): string {
    return `tcp://127.0.0.1:${this.#port}`;
  }

  get snapshots(): string[] {
    return [...this.#snapshots.keys()];
  }

  async start(): Promise<this> {
    if (!this.isLonghorns) await this.startData();
    const server = new Server();
    if (!this.isLonghorns) server.addService(ReplicaControl, unaryHandlers(ReplicaControl, this.#control()));
    const instanceName = `${this.volume}-${this.id}`;
    const identity = { volumeName: this.volume, instanceName, role: "replica" } as const;
    server.addService(ReplicaService, unaryHandlers(ReplicaService, this.#service(), identity));
    const agent = new Server();
    agent.addService(SyncAgentService, unaryHandlers(SyncAgentService, this.#syncAgent(), identity));
    [this.#port = 0] = await freePorts([this.#port], 1, SYNC_AGENT_PORT_OFFSET + 1);
    await bind(server, this.#port);
    if (this.isLonghorns)
      this.longhornData = await DataconnServer.listen(this.dataSocket ?? this.#port + 1, (request) =>
        this.#serveData(request),
      );
    await bind(agent, this.#port + SYNC_AGENT_PORT_OFFSET);
    [this.#server, this.#agent] = [server, agent];
    return this;
  }

  /** Its data stream can be connected again. */
  async startData(): Promise<void> {
    this.#data = await startStreamServer({
      host: "127.0.0.1",
      port: 0,
      // The present one, which an expansion replaces.
      backend: new Proxy(this.backend, {
        get: (_, key) => {
          const value: unknown = Reflect.get(this.backend, key);
          return typeof value === "function" ? (value.bind(this.backend) as unknown) : value;
        },
      }),
      limits: LIMITS,
      admit: (hello) => {
        const decided = decideHello(this.#standing(), PROTOCOL_VERSION, hello);
        if (!this.isOpen) throw new StreamError("NOT_OPEN", "the replica is closed");
        if (!decided.accept) throw new StreamError(decided.status as StreamFailure, decided.message);
      },
    });
  }

  /** Its data stream ends, as that of a process that is killed. */
  stopData(): void {
    this.#data?.close();
    this.#data = null;
  }

  /** The process ends, and another one is started on its directory. */
  kill(): void {
    this.wasKilled = this.isOpen;
    this.isOpen = false;
    this.longhornData?.cut();
  }

  async #serveData(request: Request): Promise<Answer | null> {
    const answer = await this.dataFault?.(request);
    if (answer !== undefined) return answer;
    const { type, offset, size, data } = request;
    if (!this.isOpen)
      throw new Error(type === TYPE.PING ? "ping failure: replica state closed" : "replica no longer exist");
    switch (type) {
      case TYPE.PING:
        return { type: TYPE.RESPONSE, size: 0 };
      case TYPE.READ:
        return { type: TYPE.RESPONSE, size, data: await this.backend.read(offset, size) };
      case TYPE.WRITE:
        await this.backend.write(offset, data);
        this.revisionCounter += 1;
        return { type: TYPE.RESPONSE, size };
      case TYPE.UNMAP: {
        const begin = Math.ceil(offset / 4096) * 4096;
        const end = Math.floor((offset + size) / 4096) * 4096;
        if (end > begin) await this.backend.unmap(begin, end - begin);
        this.revisionCounter += 1;
        return { type: TYPE.RESPONSE, size: Math.max(0, end - begin) };
      }
      default:
        return null;
    }
  }

  stop(): void {
    this.longhornData?.close();
    this.#server?.forceShutdown();
    this.#agent?.forceShutdown();
    this.#data?.close();
  }

  #standing(): Standing {
    const volume = this.isNamed ? this.volume : "";
    return { volume, replicaId: this.id, unfit: "", member: this.#member, lostWrites: false, opening: "" };
  }

  #control(): Handlers<typeof ReplicaControl> {
    const done = () => Promise.resolve({});
    return {
      identify: async (): Promise<Partial<ReplicaFacts>> => {
        await this.#noted("identify", () => undefined);
        if (!this.isOpen) throw new RpcError(status.UNAVAILABLE, "the replica is closed");
        return {
          volume: this.isNamed ? this.volume : "",
          replicaId: this.id,
          size: this.backend.size,
          record: this.#member,
          regionSize: REGION_BYTES,
          bootId: "boot",
          dataPort: this.#data?.port ?? 0,
          chain: this.#chain,
          chainCreated: this.#chain.map((file) => this.#snapshots.get(file)?.disk.created ?? ""),
          snapshots: [],
        };
      },
      recorded: () => Promise.resolve({ record: this.#member }),
      record: (request) =>
        Promise.resolve().then(() => {
          if (this.recordsToRefuse > 0) {
            this.recordsToRefuse -= 1;
            throw new RpcError(status.UNKNOWN, "no space left on device");
          }
          const decided = decideRecord(this.#standing(), request);
          if (!decided.accept) throw new RpcError(status[decided.code], decided.message);
          this.#member = request.record;
          this.isNamed = true;
          return {};
        }),
      inheritedRegions: async () => {
        await this.#noted("inheritedRegions", () => undefined);
        return { regionSize: REGION_BYTES, bitmap: this.inherited };
      },
      // Everything, since ever.
      missedRegions: () => {
        const bitmap = new Uint8Array(Math.ceil(this.backend.size / GRAIN_BYTES / 8)).fill(0xff);
        return Promise.resolve({ since: 1, grainSize: GRAIN_BYTES, bitmapSize: bitmap.length, bitmap });
      },
      agreed: () => this.#noted("agreed", () => (this.inherited = new Uint8Array())),
      release: done,
      prepareSnapshot: async (request) => {
        // Whoever cannot expand cannot prepare it either.
        if (request.expandTo > 0) await this.faults.get("replicaExpand")?.();
        return this.#noted("prepareSnapshot", () => (this.#prepared = request));
      },
      commitSnapshot: () =>
        this.#noted("commitSnapshot", () => {
          if (this.#prepared === null) throw new RpcError(status.FAILED_PRECONDITION, "no snapshot is prepared"); // prettier-ignore
          const { name, expandTo } = this.#prepared;
          if (expandTo > 0) this.#expand(expandTo);
          else this.#snapshot(name, this.#prepared);
          this.#prepared = null;
        }),
      abandonSnapshot: () => this.#noted("abandonSnapshot", () => (this.#prepared = null)),
    };
  }

  /** What happens on a call, in its order: noted, its fault, itself. */
  async #on(call: Call, act: () => void): Promise<{ replica: Replica }> {
    await this.#noted(call, act);
    return { replica: this.describe() };
  }

  async #noted(call: Call, act: () => void): Promise<Record<string, never>> {
    this.calls.push(call);
    await this.faults.get(call)?.();
    act();
    return {};
  }

  #service(): Handlers<typeof ReplicaService> {
    const missing = (call: Call) => () =>
      Promise.reject(new RpcError(status.UNIMPLEMENTED, `${call} is not in this test`));
    return {
      replicaGet: () => this.#on("replicaGet", () => undefined),
      replicaOpen: () =>
        this.#on("replicaOpen", () => {
          this.isOpen = true;
          this.wasKilled = false;
        }),
      replicaClose: () => this.#on("replicaClose", () => (this.isOpen = false)),
      replicaSnapshot: ({ name, created, labels, userCreated }) =>
        this.#on("replicaSnapshot", () => this.#snapshot(name, { created, labels, userCreated })),
      replicaRevert: ({ name }) => this.#on("replicaRevert", () => this.#revert(name)),
      replicaExpand: ({ size }) => this.#on("replicaExpand", () => this.#expand(size)),
      rebuildingSet: ({ rebuilding }) => this.#on("rebuildingSet", () => (this.rebuilding = rebuilding)),
      unmapMarkDiskChainRemovedSet: ({ enabled }) =>
        this.#on("unmapMarkDiskChainRemovedSet", () => (this.unmapMark = enabled)),
      snapshotMaxCountSet: ({ count }) => this.#on("snapshotMaxCountSet", () => (this.maxCount = count)),
      snapshotMaxSizeSet: ({ size }) => this.#on("snapshotMaxSizeSet", () => (this.maxSize = size)),
      diskMarkAsRemoved: ({ name }) =>
        this.#on("diskMarkAsRemoved", () => {
          const found = this.#snapshots.get(fileOf(name));
          if (found !== undefined) found.disk.removed = true;
        }),
      replicaCreate: missing("replicaCreate"),
      replicaDelete: missing("replicaDelete"),
      replicaReload: () => this.#on("replicaReload", () => undefined),
      diskRemove: ({ name }) => this.#on("diskRemove", () => this.#remove(name)),
      diskReplace: missing("diskReplace"),
      diskPrepareRemove: missing("diskPrepareRemove"),
      revisionCounterSet: ({ counter }) =>
        this.#on("revisionCounterSet", () => (this.revisionCounter = counter)),
    };
  }

  #syncAgent(): Handlers<typeof SyncAgentService> {
    const handlers: Partial<Handlers<typeof SyncAgentService>> = {
      filesSync: ({ fromAddress, syncFileInfoList }) =>
        this.#noted("filesSync", () => {
          const from = this.peers.get(fromAddress);
          if (from === undefined) throw new Error(`nobody is at ${fromAddress}`);
          for (const { fromFileName } of syncFileInfoList) {
            const found = from.#snapshots.get(fromFileName);
            if (found !== undefined) this.#snapshots.set(fromFileName, { content: found.content.slice(), disk: { ...found.disk } }); // prettier-ignore
          }
          this.syncState = "complete";
        }),
      snapshotClone: ({ fromAddress, snapshotFileName: name }) =>
        this.#noted("snapshotClone", () => {
          const from = this.peers.get(fromAddress);
          const found = from === undefined ? undefined : from.#snapshots.get(fileOf(name));
          if (from === undefined || found === undefined) throw new Error(`${name} is not at ${fromAddress}`);
          if (from.hashes.get(name)?.silentlyCorrupted === true)
            throw new Error(`snapshot ${name} has rotted at ${from.id}`);
          this.#snapshots.set(fileOf(name), found);
        }),
      backupStatus: ({ backup }) => known(this.backups, backup, "backup"),
      snapshotHashStatus: ({ snapshotName }) => known(this.hashes, snapshotName, "hash of"),
      snapshotPurgeStatus: () => Promise.resolve({}),
      reset: () => {
        if (this.syncState !== "in_progress") this.syncState = "";
        return Promise.resolve({});
      },
      replicaRebuildStatus: async () => {
        await this.#noted("replicaRebuildStatus", () => undefined);
        return {
          ...{
            isRebuilding: this.syncState === "in_progress",
            state: this.syncState,
            progress: 0,
            error: "",
          },
          ...{ fromReplicaAddress: "", fromReplicaAddressList: [] },
        };
      },
    };
    return handlers as Handlers<typeof SyncAgentService>;
  }

  #remove(file: string): void {
    this.#snapshots.delete(file);
    this.#chain = this.#chain.filter((name) => name !== file);
    for (const [index, name] of this.#chain.entries()) {
      const found = this.#snapshots.get(name);
      if (found !== undefined) found.disk.parent = this.#chain[index + 1] ?? "";
    }
  }

  /** A checksum of what a snapshot reads as. */
  digestOf(name: string): string {
    const { content } = this.#snapshots.get(fileOf(name)) ?? {};
    return content === undefined ? "" : createHash("sha256").update(content).digest("hex");
  }

  takeSnapshot(name: string): void {
    this.#snapshot(name, { created: "2026-01-02T03:04:05Z", labels: {}, userCreated: true });
  }

  /** As FilesSync does: all snapshots of another replica come here. */
  syncFrom(other: TwinReplica): void {
    this.#snapshots = new Map([...other.#snapshots].map(([file, { content, disk }]) => [file, { content: content.slice(), disk: { ...disk } }])); // prettier-ignore
    this.#chain = [this.#chain[0] ?? "", ...other.#chain.slice(1)];
    this.syncState = "complete";
  }

  #snapshot(name: string, given: Pick<DiskInfo, "created" | "labels" | "userCreated">): void {
    const file = fileOf(name);
    if (this.#snapshots.has(file)) throw new Error(`snapshot ${file} is already existing`);
    const [, parent = ""] = this.#chain;
    const disk = { ...given, name: file, parent, children: {}, removed: false, size: "4096" };
    this.#snapshots.set(file, { content: this.backend.content.slice(), disk });
    this.#chain = [this.#nextHead(), file, ...this.#chain.slice(1)];
  }

  #revert(file: string): void {
    const found = this.#snapshots.get(file);
    if (found === undefined) throw new Error(`no such snapshot: ${file}`);
    this.backend.content.set(found.content);
    this.#chain = [this.#nextHead(), ...this.#chain.slice(this.#chain.indexOf(file))];
  }

  #expand(size: number): void {
    const larger = new MemoryBackend(size);
    larger.content.set(this.backend.content);
    this.backend = larger;
  }

  #nextHead(): string {
    const number = Number(/\d+/.exec(this.#chain[0] ?? "")?.[0] ?? 0) + 1;
    return `volume-head-${String(number).padStart(3, "0")}.img`;
  }

  #headSize(): string {
    return this.isLonghorns && this.revisionCounter === 0 ? "0" : "4096";
  }

  describe(): Replica {
    const kept = [...this.#snapshots.values()].filter(({ disk }) => !disk.removed);
    const [head = "", parent = ""] = this.#chain;
    const headDisk = { name: head, parent, children: {}, removed: false, userCreated: false, created: "", size: this.#headSize(), labels: {} }; // prettier-ignore
    const snapshots = [...this.#snapshots].map(([file, { disk }]): [string, DiskInfo] => [
      file,
      { ...disk, children: Object.fromEntries(this.#chain.filter((_, i) => this.#chain[i + 1] === file).map((child) => [child, true])) }, // prettier-ignore
    ]);
    return {
      dirty: this.isOpen || this.wasKilled,
      rebuilding: this.rebuilding,
      head,
      parent,
      size: String(this.backend.size),
      sectorSize: 512,
      backingFile: this.backingFile,
      state: !this.isOpen ? "closed" : this.rebuilding ? "rebuilding" : "dirty",
      chain: this.#chain.filter((file) => this.#snapshots.get(file)?.disk.removed !== true),
      disks: Object.fromEntries([[head, headDisk], ...snapshots]),
      remainSnapshots: this.maxCount - kept.length,
      revisionCounter: this.revisionCounter,
      lastModifyTime: this.lastModifyTime,
      headFileSize: this.headFileSize,
      revisionCounterDisabled: this.revisionCounterDisabled,
      unmapMarkDiskChainRemoved: this.unmapMark,
      snapshotCountUsage: kept.length,
      snapshotSizeUsage: kept.length * 4096,
      snapshotCountTotal: this.#snapshots.size + 1,
    };
  }
}

function known<T>(all: ReadonlyMap<string, T>, name: string, what: string): Promise<T> {
  const found = all.get(name);
  return found === undefined
    ? Promise.reject(new Error(`${what} not found ${name}`))
    : Promise.resolve(found);
}

function bind(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
}

function fileOf(name: string): string {
  return name.startsWith("volume-snap-") ? name : `volume-snap-${name}.img`;
}
