/**
 * Stands in for the C++ `ReplicaStore` (native/index.ts): a chain of sparse files on a simulated disk, read through from
 * the top, the write-intent map, and how both change while I/O goes on.
 */
import type {
  ChainOptions,
  MissedGrains,
  NativeError,
  OnProgress,
  ReplicaStore,
  StatusName,
  StoreOptions,
  StoreStats,
} from "../../native/index.js";
import { diskOf, systemError, WholeFile, type Disk, type DiskOp, type Inode } from "./disk.js";
import {
  GRAIN_BYTES,
  packed,
  RegionMap,
  type MissedContent,
  type RegionContent,
  type Round,
} from "./region-map.js";
import { BLOCK_BYTES, BLOCK_SECTORS, bytesOf, SECTOR_BYTES, sectorsOf } from "./sectors.js";
import { runningProcess, simulation, type Process } from "./simulation.js";

export type StoreOp = "read" | "write" | "flush" | "unmap" | "writeZeroes" | "extents";

export interface StoreRequest {
  op: StoreOp;
  offset: number;
  length: number;
  fua: boolean;
  /** of a write */
  data: Int32Array | null;
  mark: number;
  settled: number;
  done: (status: StatusName, message: string, result: Int32Array | number[] | null) => void;
}

interface LayerFile {
  path: string;
  inode: Inode;
}

interface SyncWaiter {
  done: (error: string) => void;
  ticket: number;
}

export function nativeError(
  code: NativeError["code"],
  message: string,
  more: Partial<NativeError> = {},
): NativeError {
  return Object.assign(new Error(message), { code, ...more });
}

export async function openStore(
  options: StoreOptions,
  onFatal: (error: NativeError) => void,
): Promise<SimStore> {
  const disk = diskOf(options.regionMapPath);
  const layers = options.layers.map(({ path }) => ({ path, inode: disk.find(path) }));
  const map = new RegionMap(options.size, options.regionSize);
  const found = disk.names.get(options.regionMapPath);
  const process = runningProcess();
  if (process === undefined) throw new Error("only a simulated process opens a store");
  const step = (op: DiskOp, delayMs: number, work: () => void) =>
    simulation().answer(delayMs, () => {
      if (disk.fails(op, options.regionMapPath))
        throw nativeError("IO_ERROR", "the region map cannot be opened");
      work();
    });
  await step("look", disk.cachedMs(), () => undefined);
  let damaged = 0;
  if (found?.map == null) {
    await step("name", disk.cachedMs(), () => {
      const inode = found ?? disk.create(options.regionMapPath);
      inode.map = new WholeFile<unknown>(map.regionsContent(), tornRegions);
    });
    await step("sync", disk.syncMs(), () => disk.syncNames());
  } else {
    const { map: file } = found;
    // A process that was killed may have left bits that are not durable yet, or that a failed sync has dropped.
    file.set(file.content);
    await step("sync", disk.syncMs(), () => {
      file.sync();
      disk.syncNames();
    });
    const regions = found.map.content as RegionContent;
    damaged = regions.damaged ? 1 : 0;
    const missed = disk.names.get(options.missedMapPath ?? "")?.map?.content as MissedContent | undefined;
    map.load(regions, missed ?? null);
  }
  return new SimStore(disk, process, options, layers, map, damaged, onFatal);
}

function tornRegions(content: unknown): unknown {
  const regions = content as RegionContent;
  return { ...regions, bits: regions.bits.slice().fill(1), damaged: true };
}
function tornMissed(content: unknown): unknown {
  const missed = content as MissedContent;
  return { ...missed, bits: missed.bits.slice().fill(1) };
}

export class SimStore implements ReplicaStore {
  private counts = { reads: 0, writes: 0, changes: 0, flushes: 0, syncs: 0, regionMapWrites: 0 };
  private size_: number;
  private poison: string | null = null;
  private closing = false;
  private readonly unsynced = new Set<Inode>();
  /** of each file, that this store has been told of */
  private readonly failedSyncs = new Map<Inode, number>();
  /** what an earlier process wrote may not be durable yet */
  private changed = 1;
  private synced = 0;
  private syncRunning = false;
  private syncWaiters: SyncWaiter[] = [];
  private mapRunning = false;
  private mapWaiters: ((error: string) => void)[] = [];
  private regionWaiters: StoreRequest[] = [];
  private held = false;
  private heldWaiters: StoreRequest[] = [];
  private applying = 0;
  private changesInFlight = 0;
  private readonly idle: (() => void)[] = [];
  private readonly unchanging: (() => void)[] = [];
  /** `mapFits`: the region map's file does for `size` */
  private prepared: { layers: LayerFile[]; size: number; mapFits: boolean } | null = null;
  /** by path: directly behind the head, marked as removed */
  private removed: ReadonlySet<string> = new Set();
  /** merged or pruned, and left alone meanwhile */
  private readonly busy = new Set<Inode>();

  constructor(
    private readonly disk: Disk,
    private readonly process: Process,
    private readonly options: StoreOptions,
    private layers: LayerFile[],
    private map: RegionMap,
    private readonly damaged: number,
    private readonly onFatal: (error: NativeError) => void,
  ) {
    this.size_ = options.size;
    for (const { inode } of layers) {
      this.unsynced.add(inode);
      this.failedSyncs.set(inode, inode.failedSyncs);
    }
  }

  get size(): number {
    return this.size_;
  }

  // ---------------------------------------------------------------------------------------------- requests

  submit(request: StoreRequest): void {
    if (this.closing) {
      request.done("NOT_OPEN", "the store is closed", null);
      return;
    }
    if (request.op !== "flush" && request.offset + request.length > this.size_) {
      request.done("OUT_OF_RANGE", "beyond the end", null);
      return;
    }
    switch (request.op) {
      case "read":
      case "extents":
        this.counts.reads++;
        this.later(this.disk.cachedMs(), () => {
          const { op, offset, length } = request;
          if (this.poison !== null) {
            request.done("IO_ERROR", this.poison, null);
            return;
          }
          const refusal = this.refusal("read");
          if (refusal !== null) {
            request.done(...refusal, null);
            return;
          }
          request.done(
            "OK",
            "",
            op === "read" ? this.readSectors(offset, length) : this.extentsOf(offset, length),
          );
        });
        return;
      case "flush":
        this.beginFlush(request);
        return;
      default:
        this.counts.writes++;
        this.changesInFlight++;
        this.beginChange(request);
    }
  }

  private later(delayMs: number, work: () => void): void {
    simulation().after(delayMs, this.process, work);
  }

  private refusal(op: DiskOp, blocks = 0): [StatusName, string] | null {
    try {
      this.disk.check(op, "the store's", blocks);
      return null;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return [code === "ENOSPC" ? "NO_SPACE" : "IO_ERROR", message];
    }
  }

  private beginChange(request: StoreRequest): void {
    if (this.poison !== null) {
      this.endChange(request, "IO_ERROR", this.poison);
      return;
    }
    if (this.closing) {
      this.endChange(request, "NOT_OPEN", "the store is closed");
      return;
    }
    if (this.held) {
      this.heldWaiters.push(request);
      return;
    }
    if (!this.map.covers(request.offset, request.length)) {
      this.regionWaiters.push(request);
      this.startMapRound();
      return;
    }
    this.applying++;
    const { offset, length } = request;
    // Two parts, so that a process may die in between.
    const half = Math.floor(length / 2 / BLOCK_BYTES) * BLOCK_BYTES;
    const apply = (from: number, bytes: number): [StatusName, string] | null => {
      const refusal = this.refusal("write", this.newBlocks(request, from, bytes));
      if (refusal === null) this.apply(request, from, bytes);
      return refusal;
    };
    this.later(this.disk.cachedMs(), () => {
      const refusal = half > 0 ? apply(offset, half) : null;
      if (refusal !== null) {
        this.applied(request, refusal);
        return;
      }
      if (half === 0) {
        this.applied(request, apply(offset, length));
        return;
      }
      this.later(this.disk.cachedMs(), () => this.applied(request, apply(offset + half, length - half)));
    });
  }

  private applied(request: StoreRequest, refusal: [StatusName, string] | null): void {
    this.applying--;
    if (this.applying === 0) for (const held of this.unchanging.splice(0)) held();
    if (refusal !== null) {
      this.endChange(request, ...refusal);
      return;
    }
    if (!request.fua || this.synced === this.changed) {
      this.endChange(request, "OK", "");
      return;
    }
    this.sync({
      ticket: 0,
      done: (error) => this.endChange(request, error === "" ? "OK" : "IO_ERROR", error),
    });
  }

  private endChange(request: StoreRequest, status: StatusName, message: string): void {
    this.changesInFlight--;
    if (status === "OK") this.counts.changes++;
    request.done(status, message, null);
    if (this.changesInFlight === 0) for (const work of this.idle.splice(0)) work();
  }

  private get head(): Inode {
    const top = this.layers.at(-1);
    if (top === undefined) throw new Error("a chain has a head");
    return top.inode;
  }

  private newBlocks(request: StoreRequest, offset: number, length: number): number {
    if (request.op === "unmap") return 0;
    let count = 0;
    for (let block = Math.floor(offset / BLOCK_BYTES); block * BLOCK_BYTES < offset + length; block++)
      if (!this.head.data.blocks.has(block)) count++;
    return count;
  }

  private apply({ op, data, offset: begin }: StoreRequest, offset: number, length: number): void {
    const { head } = this;
    const end = offset + length;
    for (let block = Math.floor(offset / BLOCK_BYTES); block * BLOCK_BYTES < end; block++) {
      const from = Math.max(offset, block * BLOCK_BYTES);
      const to = Math.min(end, (block + 1) * BLOCK_BYTES);
      const whole = to - from === BLOCK_BYTES;
      const held = this.visible(block, this.layers.length);
      if (op === "unmap") {
        if (held === null) continue;
        if (whole && this.punch(block)) continue;
      }
      const sectors = new Int32Array(BLOCK_SECTORS);
      if (held !== null) sectors.set(held);
      const first = (from - block * BLOCK_BYTES) / SECTOR_BYTES;
      const count = (to - from) / SECTOR_BYTES;
      if (data === null) sectors.fill(0, first, first + count);
      else sectors.set(data.subarray((from - begin) / SECTOR_BYTES, (to - begin) / SECTOR_BYTES), first);
      head.data.set(block, sectors);
    }
    this.changed++;
    this.unsynced.add(head);
  }

  /** Frees a block in the head and in the removed layers behind it, the lowest first: what shows until then is the old content.
   * A file system's journal keeps that order, so that it is the head's hole alone that a power cut may take back.
   * @returns false where a layer that stays holds the block: only zeros hide that */
  private punch(block: number): boolean {
    const behind = this.layers.slice(0, -1);
    const mayGo = ({ path, inode }: LayerFile) => this.removed.has(path) && !this.busy.has(inode);
    if (behind.some((layer) => !mayGo(layer) && layer.inode.data.blocks.has(block))) return false;
    for (const { inode } of behind) inode.data.free(block);
    this.head.data.set(block, null);
    return true;
  }

  /** What the lowest `count` layers show. */
  private visible(block: number, count: number): Int32Array | null {
    for (let i = count - 1; i >= 0; i--) {
      const found = this.layers[i]?.inode.data.blocks.get(block);
      if (found !== undefined) return found;
    }
    return null;
  }

  readSectors(offset: number, length: number): Int32Array {
    const result = new Int32Array(length / SECTOR_BYTES);
    for (let at = offset; at < offset + length;) {
      const block = Math.floor(at / BLOCK_BYTES);
      const to = Math.min(offset + length, (block + 1) * BLOCK_BYTES);
      const sectors = this.visible(block, this.layers.length);
      const first = (at - block * BLOCK_BYTES) / SECTOR_BYTES;
      if (sectors !== null)
        result.set(sectors.subarray(first, first + (to - at) / SECTOR_BYTES), (at - offset) / SECTOR_BYTES);
      at = to;
    }
    return result;
  }

  private extentsOf(offset: number, length: number): number[] {
    const runs: number[] = [];
    const blocks = new Set<number>();
    for (const { inode } of this.layers) for (const block of inode.data.blocks.keys()) blocks.add(block);
    for (const block of [...blocks].sort((a, b) => a - b)) {
      const from = Math.max(offset, block * BLOCK_BYTES);
      const to = Math.min(offset + length, (block + 1) * BLOCK_BYTES);
      if (from >= to) continue;
      const last = runs.length - 2;
      if (last >= 0 && (runs[last] ?? 0) + (runs[last + 1] ?? 0) === from)
        runs[last + 1] = to - (runs[last] ?? 0);
      else runs.push(from, to - from);
    }
    return runs;
  }

  // ---------------------------------------------------------------------------------------------- durability

  private beginFlush(request: StoreRequest): void {
    this.counts.flushes++;
    const { map } = this;
    const ticket = map.settleTicket(request.settled);
    map.startEpoch(request.mark);
    if (this.poison !== null) {
      request.done("IO_ERROR", this.poison, null);
      return;
    }
    if (this.changed === this.synced) {
      if (ticket !== 0) map.settle(ticket);
      this.later(this.disk.cachedMs(), () => request.done("OK", "", null));
      return;
    }
    this.sync({ ticket, done: (error) => request.done(error === "" ? "OK" : "IO_ERROR", error, null) });
  }

  private sync(waiter: SyncWaiter): void {
    this.syncWaiters.push(waiter);
    this.startSync();
  }

  private startSync(): void {
    if (this.syncRunning || this.syncWaiters.length === 0) return;
    this.syncRunning = true;
    const waiters = this.syncWaiters;
    this.syncWaiters = [];
    const covers = this.changed;
    const files = [...this.unsynced].map((inode) => ({ inode, upTo: inode.data.beginSync() }));
    this.unsynced.clear();
    this.later(this.disk.syncMs(), () => {
      this.syncRunning = false;
      this.counts.syncs++;
      const error = this.syncFiles(files);
      if (error === "") this.synced = covers;
      else this.fail(error);
      this.startSync();
      for (const { ticket, done } of waiters) {
        if (this.poison === null && ticket !== 0) this.map.settle(ticket);
        done(this.poison ?? "");
      }
    });
  }

  /** @returns "" or what one of them says, or has said to somebody else */
  private syncFiles(files: readonly { inode: Inode; upTo: number }[]): string {
    const refusal = this.refusal("sync");
    let error = refusal?.[1] ?? "";
    for (const { inode, upTo } of files) {
      if (refusal !== null) inode.failSync();
      else if (this.failedSyncs.get(inode) !== inode.failedSyncs)
        error = `a sync of file ${inode.number} has failed`;
      else inode.data.endSync(upTo);
      this.failedSyncs.set(inode, inode.failedSyncs);
    }
    return error;
  }

  private fail(message: string): void {
    if (this.poison !== null) return;
    this.poison = message;
    this.disk.onStoreFailed();
    this.onFatal(nativeError("IO_ERROR", message));
    this.retry();
  }

  private retry(): void {
    const waiting = [...this.regionWaiters, ...this.heldWaiters];
    this.regionWaiters = [];
    this.heldWaiters = [];
    for (const request of waiting) this.beginChange(request);
  }

  private startMapRound(): void {
    if (this.mapRunning || !this.map.needsWrite) return;
    this.mapRunning = true;
    this.counts.regionMapWrites++;
    const { map } = this;
    const waiters = this.mapWaiters;
    this.mapWaiters = [];
    this.writeRound(map.takeRound(), (error) => {
      this.mapRunning = false;
      if (error !== "") this.fail(error);
      // Another one when the volume's size was changed meanwhile.
      else if (map === this.map) map.written();
      this.retry();
      if (this.poison === null) this.startMapRound();
      else waiters.push(...this.mapWaiters.splice(0));
      for (const done of waiters) done(this.poison ?? "");
    });
  }

  /** One step after the other, each durable before the next. */
  private writeRound({ missedFile, missed, regions }: Round, done: (error: string) => void): void {
    const { regionMapPath, missedMapPath = "" } = this.options;
    const steps: (() => WholeFile<unknown> | null)[] = [];
    const { disk } = this;
    if (missedFile.type === "forget") {
      steps.push(() => {
        if (disk.names.has(missedMapPath)) disk.unlink(missedMapPath);
        return null;
      });
    } else if (missedFile.type === "new") {
      const content: MissedContent = {
        since: missedFile.since,
        bits: new Uint8Array(Math.ceil(this.size_ / GRAIN_BYTES)),
      };
      steps.push(() => {
        disk.create(`${missedMapPath}.tmp`).map = new WholeFile<unknown>(content, tornMissed);
        disk.rename(`${missedMapPath}.tmp`, missedMapPath);
        return null;
      });
    }
    const since = this.map.since;
    if (missed !== null) steps.push(() => set(disk.find(missedMapPath).map, { since, bits: missed }));
    if (regions !== null) {
      const content: RegionContent = { size: this.map.size, bits: regions, damaged: false };
      steps.push(() => set(disk.find(regionMapPath).map, content));
    }
    const next = (index: number): void => {
      const step = steps[index];
      if (step === undefined) {
        done("");
        return;
      }
      this.later(disk.cachedMs(), () => {
        const refusal = this.refusal("write");
        if (refusal !== null) {
          done(refusal[1]);
          return;
        }
        const file = step();
        this.later(disk.syncMs(), () => {
          const failed = this.refusal("sync");
          if (failed !== null) file?.failSync(simulation().random);
          else if (file === null) disk.syncNames();
          else file.sync();
          if (failed === null) next(index + 1);
          else done(failed[1]);
        });
      });
    };
    next(0);
  }

  private afterMapRound(done: (error: string) => void): void {
    this.map.wantWritten();
    if (this.poison !== null || !this.map.needsWrite) {
      done(this.poison ?? "");
      return;
    }
    this.mapWaiters.push(done);
    this.startMapRound();
  }

  // ---------------------------------------------------------------------------------------------- for JavaScript

  private call<T>(request: Pick<StoreRequest, "op"> & Partial<StoreRequest>): Promise<T> {
    return new Promise((resolve, reject) => {
      const done: StoreRequest["done"] = (status, message, result) => {
        if (status === "OK") resolve(result as T);
        else reject(nativeError(status, message));
      };
      const { op, offset = 0, length = 0, fua = false, data = null } = request;
      this.submit({ op, offset, length, fua, data, mark: 0, settled: 0, done });
    });
  }

  async read(offset: number, length: number): Promise<Buffer> {
    return bytesOf(await this.call<Int32Array>({ op: "read", offset, length }));
  }
  write(offset: number, data: Uint8Array, { fua = false } = {}): Promise<void> {
    return this.call({ op: "write", offset, length: data.length, data: sectorsOf(data), fua });
  }
  unmap(offset: number, length: number): Promise<void> {
    return this.call({ op: "unmap", offset, length });
  }
  writeZeroes(offset: number, length: number): Promise<void> {
    return this.call({ op: "writeZeroes", offset, length });
  }
  flush(): Promise<void> {
    return this.call({ op: "flush" });
  }
  extents(offset: number, length: number): Promise<number[]> {
    return this.call({ op: "extents", offset, length });
  }

  inheritedRegions(): Buffer {
    return packed(this.map.inherited);
  }

  inherit(): Promise<void> {
    return simulation().answer(0.01, () => this.map.inherit());
  }

  async agreed(): Promise<void> {
    const inherited = this.map.inheritCount;
    await this.flush();
    if (inherited !== this.map.inheritCount)
      throw nativeError("INVALID", "another engine took over meanwhile");
    this.map.forgetInherited();
    await this.mapRound();
  }

  rewrite(): Promise<void> {
    return this.step("write", this.disk.syncMs(), 0, () => {
      if (this.disk.fails("sync", "the store's")) {
        for (const { inode } of this.layers) inode.failSync();
        throw nativeError("IO_ERROR", "a layer cannot be synced");
      }
      for (const { inode } of this.layers) {
        for (const [block, sectors] of [...inode.data.blocks]) {
          const region = Math.floor((block * BLOCK_BYTES) / this.options.regionSize);
          if (this.map.inherited[region] === 1) inode.data.set(block, sectors);
        }
        inode.data.endSync(inode.data.beginSync());
      }
    });
  }

  private mapRound(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.afterMapRound((error) => {
        if (error === "") resolve();
        else reject(nativeError("IO_ERROR", error));
      });
    });
  }

  async release(): Promise<void> {
    if (this.changesInFlight > 0) await this.noChanges();
    const inherited = this.map.inheritCount;
    const ticket = this.map.closeEpoch();
    await this.flush();
    if (inherited !== this.map.inheritCount || !this.map.settle(ticket))
      throw nativeError("INVALID", "the replica was taken into use again meanwhile");
    this.map.forgetInherited();
    await this.mapRound();
  }

  private noChanges(): Promise<void> {
    return new Promise((resolve) => {
      this.idle.push(() => {
        resolve();
      });
    });
  }

  trackMissed(since: number): Promise<void> {
    this.map.trackMissed(since);
    return this.mapRound();
  }

  forgetMissed(): Promise<void> {
    this.map.forgetMissed();
    return this.mapRound();
  }

  missed(): Promise<MissedGrains | null> {
    return simulation().answer(0.01, () => {
      const { since } = this.map;
      return since === 0 ? null : { since, grain: GRAIN_BYTES, bitmap: packed(this.map.missed()) };
    });
  }

  // ---------------------------------------------------------------------------------------------- the chain

  async holdChanges(flush = false): Promise<void> {
    this.held = true;
    if (this.applying === 0) await simulation().answer(0.01, () => undefined);
    else await new Promise<void>((resolve) => this.unchanging.push(resolve));
    if (flush) await this.flush();
  }

  resumeChanges(): void {
    this.held = false;
    this.prepared = null;
    this.retry();
  }

  async prepareHead(path: string, size: number): Promise<void> {
    await this.step("look", this.disk.cachedMs(), 0, () => undefined);
    // Not during a round, whose bits would be lost.
    if (size > this.size_) while (!(await this.fitMapFile(size)));
    this.prepared = { layers: [...this.layers, this.openLayer(path)], size, mapFits: true };
  }

  /** Whoever opens a file is told of syncs that fail from then on. */
  private openLayer(path: string): LayerFile {
    const inode = this.disk.find(path);
    if (!this.failedSyncs.has(inode)) this.failedSyncs.set(inode, inode.failedSyncs);
    return { path, inode };
  }

  /** @returns whether it could be done */
  private fitMapFile(size: number): Promise<boolean> {
    return this.step("sync", this.disk.syncMs(), 0, () => {
      if (this.mapRunning) return false;
      const inode = this.disk.find(this.options.regionMapPath);
      set(inode.map, this.map.resized(size).regionsContent()).sync();
      return true;
    });
  }

  prepareLayers({ layers, size }: ChainOptions): Promise<void> {
    return this.step("look", this.disk.cachedMs(), 0, () => {
      const files = layers.map(({ path }) => this.openLayer(path));
      this.prepared = { layers: files, size, mapFits: false };
    });
  }

  async switchLayers(): Promise<void> {
    const { prepared } = this;
    if (prepared === null) throw nativeError("INVALID", "nothing was prepared");
    if (prepared.size !== this.size_) {
      const fit = () => {
        this.map = this.map.resized(prepared.size);
        if (prepared.mapFits) return;
        const inode = this.disk.find(this.options.regionMapPath);
        set(inode.map, this.map.regionsContent()).sync();
      };
      await simulation().answer(prepared.mapFits ? 0.01 : this.disk.syncMs(), () => {
        const refusal = prepared.mapFits ? null : this.refusal("sync");
        if (refusal === null) fit();
        else this.fail(refusal[1]);
      });
      if (this.poison !== null) throw nativeError("IO_ERROR", this.poison);
      this.size_ = prepared.size;
    }
    // What was written to the former head is still to be synced.
    this.layers = prepared.layers;
    this.prepared = null;
    this.removed = new Set();
  }

  setRemovedLayers(paths: string[]): Promise<void> {
    return simulation().answer(0.01, () => {
      const behind = this.layers.slice(0, -1).reverse();
      const run = behind.slice(0, paths.length).map(({ path }) => path);
      if (!paths.every((path) => run.includes(path)))
        throw nativeError("INVALID", "not the layers directly behind the head");
      this.removed = new Set(paths);
    });
  }

  renameLayer(from: string, to: string): Promise<void> {
    return simulation().answer(0.01, () => {
      const layer = this.layers.find(({ path }) => path === from);
      if (layer === undefined) throw nativeError("INVALID", `${from} is no layer`);
      layer.path = to;
    });
  }

  async mergeLayers(lower: string, upper: string, onProgress: OnProgress): Promise<void> {
    const at = this.layers.findIndex(({ path }) => path === lower);
    const [into, from] = [this.layers[at], this.layers[at + 1]];
    if (into === undefined || from?.path !== upper || at + 2 === this.layers.length)
      throw nativeError("INVALID", "no such layers");
    await this.whileBusy([into, from], async () => {
      const blocks = [...from.inode.data.blocks];
      const half = blocks.length >> 1;
      for (const part of [blocks.slice(0, half), blocks.slice(half)]) {
        await this.step("write", this.disk.syncMs() * 2, part.length, () => {
          for (const [block, sectors] of part) into.inode.data.set(block, sectors);
        });
      }
      const upTo = into.inode.data.beginSync();
      await this.step("write", this.disk.syncMs(), 0, () => {
        const error = this.syncFiles([{ inode: into.inode, upTo }]);
        if (error !== "") throw nativeError("IO_ERROR", error);
      });
      this.layers = this.layers.filter((layer) => layer !== from);
      // Nothing of it is freed while the upper file may still be there.
      this.removed = new Set([...this.removed].filter((path) => path !== lower && path !== upper));
    });
    onProgress(1, 1);
  }

  async pruneLayer(path: string, onProgress: OnProgress): Promise<void> {
    const layer = this.layers.at(-2);
    if (layer?.path !== path) throw nativeError("INVALID", "no such layer");
    await this.whileBusy([layer], async () => {
      const hidden = [...this.head.data.blocks.keys()];
      await this.flush();
      await this.step("write", this.disk.syncMs(), 0, () => {
        for (const block of hidden) if (this.head.data.blocks.has(block)) layer.inode.data.set(block, null);
      });
      const upTo = layer.inode.data.beginSync();
      await this.step("write", this.disk.syncMs(), 0, () => layer.inode.data.endSync(upTo));
    });
    onProgress(1, 1);
  }

  private async whileBusy(layers: LayerFile[], work: () => Promise<void>): Promise<void> {
    const inodes = layers.map(({ inode }) => inode);
    for (const inode of inodes) this.busy.add(inode);
    try {
      await work();
    } finally {
      for (const inode of inodes) this.busy.delete(inode);
    }
  }

  /** @param blocks that it allocates
   * @throws {NativeError} */
  private step<T>(op: DiskOp, delayMs: number, blocks: number, work: () => T): Promise<T> {
    return simulation().answer(delayMs, () => {
      const refusal = this.refusal(op, blocks);
      if (refusal !== null) throw nativeError(...refusal);
      return work();
    });
  }

  stats(): StoreStats {
    const allocated = this.layers.reduce((sum, { inode }) => sum + inode.data.blocks.size * BLOCK_BYTES, 0);
    const { reads, writes, changes, flushes, syncs, regionMapWrites } = this.counts;
    return {
      reads,
      writes,
      changes,
      flushes,
      syncs,
      regionMapWrites,
      damagedMapBlocks: this.damaged,
      dirtyRegions: this.map.dirtyRegions,
      indexBytes: 0,
      allocatedBytes: allocated,
      interruptedBytes: 0, // a disk here holds what was written, or has no block for it
    };
  }

  async close(): Promise<void> {
    this.closing = true;
    this.retry();
    while (this.applying > 0 || this.syncRunning || this.mapRunning)
      await simulation().answer(1, () => undefined);
  }
}

function set(file: WholeFile<unknown> | null, content: unknown): WholeFile<unknown> {
  if (file === null) throw systemError("ENOENT", "a map");
  file.set(content);
  return file;
}
