/**
 * A plain file as a copy: Longhorn's backend `file`. It answers as one of Longhorn's replicas that has a head and nothing else, from
 * within the engine's process; its data are served on the loopback, to this engine alone, by what serves those of a replica.
 */
import { randomUUID } from "node:crypto";
import { closeSync, existsSync } from "node:fs";
import { mkdir, open, rm, stat, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { status } from "@grpc/grpc-js";
import {
  DataServer,
  listenTcp,
  lockFile,
  openStore,
  type DataServerEvent,
  type ReplicaStore,
  type StoreOptions,
} from "../../native/index.js";
import type { DiskInfo, Replica, ReplicaService } from "../../proto/longhorn.js";
import { RpcError, withContext } from "../../proto/rpc-error.js";
import type { CallOptions, Calls } from "../../proto/unary.js";
import { CALL_TIMEOUT_MS } from "../client/limits.js";
import { withDeadline } from "../deadline.js";
import { formatHostPort } from "../host-port.js";
import { IO_THREADS, REGION_BYTES, STREAM } from "./limits.js";

const SCHEME = "file://";
const SECTOR_BYTES = 512;

/** It has one disk, as a replica without snapshots. */
const HEAD = "volume-head-000.img";

/** A name beside the file, for as long as the file is no whole copy: there is no other place for that. */
const REBUILDING_SUFFIX = ".aurochs-rebuilding";

/** @param address of a replica, as given */
export function isPlainFile(address: string): boolean {
  return address.startsWith(SCHEME);
}

/** @param addresses of one volume's copies
 * @throws {Error} files have no snapshots, so that they are copies beside other files only */
export function checkAlike(addresses: readonly string[]): void {
  if (addresses.some(isPlainFile) && !addresses.every(isPlainFile))
    throw new Error(`plain files are no copies beside replicas, since they have no snapshots: ${addresses.join(", ")}`); // prettier-ignore
}

export interface PlainFileOwner {
  /** of the only engine that may use its data */
  engineId: string;
  /** the engine takes plain files at all */
  takesFiles: boolean;
}

interface OpenFile {
  handle: FileHandle;
  store: ReplicaStore;
  data: DataServer;
}

export class PlainFile {
  readonly #path: string;
  readonly #mark: string;
  /** for the store's own map, which is of no use to anybody: it has a name only while the store opens or replaces it */
  readonly #scratch = join(tmpdir(), `aurochs-${randomUUID()}`);
  readonly #socket = listenTcp("127.0.0.1", 0);
  #open: OpenFile | null = null;
  #failure: Error | null = null;
  #ended = false;

  /** @param address `file://` and a path */
  constructor(
    readonly address: string,
    private readonly owner: PlainFileOwner,
  ) {
    this.#path = address.slice(SCHEME.length);
    this.#mark = this.#path + REBUILDING_SUFFIX;
  }

  /** `host:port` of its data */
  get peer(): string {
    return formatHostPort(this.#socket);
  }

  /** As of a connection to a replica.
   * @throws {Error} also after `timeoutMs`: a disk may hang */
  async call<T>(
    doing: string,
    run: (calls: Calls<typeof ReplicaService>, options: CallOptions) => Promise<T>,
    timeoutMs = CALL_TIMEOUT_MS,
  ): Promise<T> {
    try {
      if (!this.owner.takesFiles) throw new Error(`failed to find factory for ${this.address}`); // as in Longhorn
      return await withDeadline(run(this.#calls, { timeoutMs }), timeoutMs);
    } catch (error) {
      throw withContext(doing, error);
    }
  }

  /** Nothing is served any more. Idempotent. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#closeFile()
      .catch(() => undefined)
      .finally(() => closeSync(this.#socket.fd));
  }

  readonly #describe = async (): Promise<{ replica: Replica }> => ({ replica: await this.#info() });

  readonly #refuse = (): Promise<never> => Promise.reject(new Error(`${this.address} is a plain file, which has no snapshots`)); // prettier-ignore

  readonly #calls: Calls<typeof ReplicaService> = {
    replicaGet: this.#describe,
    replicaOpen: async () => {
      await this.#openFile();
      return this.#describe();
    },
    replicaClose: async () => {
      await this.#closeFile();
      return { replica: null };
    },
    replicaExpand: async ({ size = 0 }) => {
      await this.#expand(size);
      return this.#describe();
    },
    rebuildingSet: async ({ rebuilding = false }) => {
      await this.#setRebuilding(rebuilding);
      return this.#describe();
    },
    // Of what it does not have.
    replicaReload: this.#describe,
    revisionCounterSet: this.#describe,
    unmapMarkDiskChainRemovedSet: this.#describe,
    snapshotMaxCountSet: this.#describe,
    snapshotMaxSizeSet: this.#describe,
    replicaSnapshot: this.#refuse,
    replicaRevert: this.#refuse,
    diskRemove: this.#refuse,
    diskReplace: this.#refuse,
    diskPrepareRemove: this.#refuse,
    diskMarkAsRemoved: this.#refuse,
    replicaCreate: this.#refuse,
    replicaDelete: this.#refuse,
  };

  async #openFile(): Promise<void> {
    if (this.#open !== null) throw new Error("replica is already open");
    this.#failure = null;
    // One that is not there is not made: it would be an empty copy.
    const handle = await open(this.#path, "r+");
    try {
      const info = await handle.stat();
      if (!info.isFile()) throw new Error(`${this.#path} is not a regular file`);
      if (!lockFile(handle.fd)) throw new Error(`${this.#path} is in use`);
      const options: StoreOptions = {
        ...this.#chain(info.size),
        cache: "writeback",
        regionMapPath: join(this.#scratch, "regions"),
        regionSize: REGION_BYTES,
        ioThreads: IO_THREADS,
      };
      const store = await this.#inScratch(() => openStore(options, (error) => this.#fail(error)));
      const data = new DataServer(store, STREAM, (event) => this.#admit(data, event));
      data.listen(this.#socket.fd);
      this.#open = { handle, store, data };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async #inScratch<T>(work: () => Promise<T>): Promise<T> {
    await mkdir(this.#scratch, { mode: 0o700 });
    try {
      return await work();
    } finally {
      // A name that is left over harms nobody, and what was done counts.
      await rm(this.#scratch, { recursive: true, force: true }).catch(() => undefined);
    }
  }

  #chain(size: number) {
    return { layers: [{ path: this.#path }], backing: false, size };
  }

  /** What was written is not safe any more: the engine learns by the end of the stream. */
  #fail(error: Error): void {
    this.#failure ??= error;
    void this.#open?.data.close();
  }

  #admit(data: DataServer, event: DataServerEvent): void {
    if (event.type === "closed") return;
    if (event.type === "hello" && event.hello.engineId === this.owner.engineId) data.accept(event.stream);
    else data.reject(event.stream, "FENCED", `${this.address} is served to one engine alone`);
  }

  /** @throws {Error} not all of it is durable; it is closed all the same */
  async #closeFile(): Promise<void> {
    if (this.#open === null) return;
    const { handle, store, data } = this.#open;
    this.#open = null;
    await data.close();
    try {
      await store.flush();
    } finally {
      await store.close();
      await handle.close();
    }
  }

  /** @throws {RpcError} as a replica's */
  async #expand(size: number): Promise<void> {
    const { handle, store } = this.#opened();
    const { size: before } = await handle.stat();
    if (size === before) return;
    if (size < before) throw expansionError("FunctionFailedWithoutRollback", `cannot expand replica to a smaller size ${size}`); // prettier-ignore
    try {
      await store.holdChanges();
      await handle.truncate(size);
      await handle.sync();
      await this.#inScratch(async () => {
        await store.prepareLayers(this.#chain(size));
        await store.switchLayers();
      });
    } catch (error) {
      // A store that failed says so by itself, and is not gone on with.
      await handle.truncate(before);
      throw expansionError("FunctionFailedRollbackSucceeded", (error as Error).message);
    } finally {
      store.resumeChanges();
    }
  }

  #opened(): OpenFile {
    if (this.#open === null) throw new Error(`${this.address} is closed`);
    return this.#open;
  }

  async #setRebuilding(rebuilding: boolean): Promise<void> {
    if (rebuilding) await (await open(this.#mark, "w")).close();
    else await rm(this.#mark, { force: true });
    const directory = await open(dirname(this.#mark), "r");
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }

  async #info(): Promise<Replica> {
    if (this.#failure !== null) throw withContext(`${this.address} has failed`, this.#failure);
    const isOpen = this.#open !== null;
    const { size, blocks, mtimeMs } = await (this.#open?.handle.stat() ?? stat(this.#path));
    const rebuilding = existsSync(this.#mark);
    const allocated = blocks * SECTOR_BYTES;
    const head: DiskInfo = { name: HEAD, parent: "", children: {}, removed: false, userCreated: false, created: "", size: String(allocated), labels: {} }; // prettier-ignore
    return {
      // Nothing says whether it was closed in order.
      dirty: true,
      rebuilding,
      head: HEAD,
      parent: "",
      size: String(size),
      sectorSize: SECTOR_BYTES,
      backingFile: "",
      state: !isOpen ? "closed" : rebuilding ? "rebuilding" : "dirty",
      chain: [HEAD],
      disks: { [HEAD]: head },
      remainSnapshots: 0,
      revisionCounter: 0,
      // One that nobody ever wrote to is older than any that somebody did.
      lastModifyTime: allocated === 0 ? 0 : mtimeMs * 1e6,
      headFileSize: allocated,
      revisionCounterDisabled: true,
      unmapMarkDiskChainRemoved: false,
      snapshotCountUsage: 0,
      snapshotSizeUsage: 0,
      snapshotCountTotal: 1,
    };
  }
}

function expansionError(code: string, message: string): RpcError {
  return new RpcError(status.INTERNAL, JSON.stringify({ code, message, rollbackMessage: "" }));
}
