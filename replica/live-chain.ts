/**
 * The chain of an open replica: every change is made to the directory and to the store that serves it, in an order in
 * which no write can reach a file that has become a snapshot. Calls come one after the other.
 */
import { join } from "node:path";
import type { Logger } from "pino";
import type { OnProgress, ReplicaStore } from "../native/index.js";
import type { PrepareSnapshotRequest } from "../proto/control.js";
import { childrenByParent } from "./chain.js";
import { openDirectory, type ReplicaDirectory } from "./directory.js";
import { foldFile } from "./fold-files.js";
import { newestWith, type EngineChange, type EngineChanges } from "./engine-change.js";
import { layersOf } from "./layers.js";
import { SNAPSHOT_PREPARED_MS_MAX } from "./limits.js";
import type { HostedReplicaOptions, SnapshotSettings } from "./open.js";
import type { OpenReplica } from "./open-replica.js";
import { expansion } from "./ops/expand.js";
import { finishIntent, type Outcome } from "./ops/intent.js";
import { markRemoved } from "./ops/mark-removed.js";
import { removeDisk } from "./ops/remove.js";
import { replaceDisk } from "./ops/replace.js";
import { revert } from "./ops/revert.js";
import { abandonSnapshot, checkSnapshot, clearWay, commitSnapshot, finishSnapshot, labelsOf, prepareSnapshot, SnapshotError, type PreparedSnapshot, type SnapshotRequest } from "./ops/snapshot.js"; // prettier-ignore
import { ReplicaError } from "./replica-error.js";
import { hasRotted } from "./checksum-file.js";

interface Pending {
  request: SnapshotRequest;
  /** null: no engine of ours asked for it */
  change: EngineChange | null;
  prepared: PreparedSnapshot;
  timer: NodeJS.Timeout;
}

/** Two files of the live chain on their way to become one: `source` takes in what `target`, its child, holds, then it takes
 * its name. */
interface Merge {
  source: string;
  target: string;
  /** the store has them as one already, by the name of `source` */
  done: boolean;
}

/** How long changes waited for a snapshot, by what they waited for. */
interface Held {
  flushMs: number;
  renameMs: number;
  switchMs: number;
}

/** @returns ms since it was called last, and since now at first */
function laps(): () => number {
  let last = performance.now();
  return () => {
    const before = last;
    last = performance.now();
    return Math.round((last - before) * 10) / 10;
  };
}

export class LiveChain {
  private pending: Pending | null = null;
  private newestChange: EngineChange | null = null;
  private readonly untilSettled: (() => void)[] = [];
  /** layers are merged or pruned, out of turn */
  private working = false;
  /** files of a branch become one: no chain that has them may be read or written meanwhile */
  private folding = false;
  /** until the directory has one file, or the store has both anew where it had one */
  private merging: Merge | null = null;
  /** files that were to go are still there, and aurochs.intent says so: until the next change, which is to replace or outdate it */
  private leftOver = false;
  /** heads before, which kept their names beside those of their snapshots */
  private oldHeads: PreparedSnapshot[] = [];
  private readonly store: ReplicaStore;

  /** @param onBroken directory and store do not agree any more: nothing may be served until the replica is opened anew
   * @param inTurn does it when its turn has come, unless the replica is not open with this chain by then
   * @param areRead somebody reads the snapshots' files, as of a moment that has passed */
  constructor(
    private readonly replica: OpenReplica,
    private readonly options: HostedReplicaOptions,
    private readonly settings: SnapshotSettings,
    private readonly onBroken: (error: Error) => void,
    private readonly inTurn: (work: () => Promise<void>) => void,
    private readonly areRead: () => boolean,
    private readonly log: Logger,
  ) {
    this.store = replica.store;
  }

  get directory(): ReplicaDirectory {
    return this.replica.directory;
  }

  /** Tells the store which snapshots may be punched: before anything is served, and when its layers have changed. Until then none is. It waits for
   * whoever reads from the layers that there were, so changes are not held for it. */
  async noteRemoved(): Promise<void> {
    const sound = await soundLayers(removedLayers(this.directory));
    const paths = this.areRead() ? [] : sound;
    // What is freed in one of two that become one is still in the other, and after a crash there are two again.
    const end = this.merging === null ? -1 : paths.indexOf(join(this.directory.path, this.merging.target));
    await this.store.setRemovedLayers(end === -1 ? paths : paths.slice(0, end));
  }

  /** Makes all files of a snapshot, and most of what was written durable, while I/O goes on. One that was prepared before
   * is abandoned. Unless committed in time, it is undone.
   * @throws {ReplicaError} `REFUSED`; {SnapshotError} */
  async prepare(request: SnapshotRequest, change: EngineChange | null = null): Promise<void> {
    await this.abandon();
    await this.finishRemoval();
    checkSnapshot(this.directory, request, this.settings.countMax);
    // What is flushed now need not be flushed while I/O is held.
    await this.store.flush();
    const prepared = await prepareSnapshot(this.directory, request, this.settings.countMax);
    try {
      await this.store.prepareHead(join(this.directory.path, prepared.head.file), prepared.head.size);
    } catch (error) {
      await this.undo(prepared);
      throw error;
    }
    const timer = setTimeout(() => {
      this.inTurn(async () => {
        if (this.pending?.prepared !== prepared) return;
        this.log.warn({ snapshot: prepared.file }, "snapshot abandoned: it was not committed in time");
        await this.abandon();
      });
    }, SNAPSHOT_PREPARED_MS_MAX);
    timer.unref();
    this.pending = { request, change, prepared, timer };
  }

  /** The snapshot is what was written before this call, and durable. An engine holds I/O for it, so this is the sync of what was written
   * since the last one, one rename and its sync.
   * @returns to be called before any other change: what is left to do while I/O goes on
   * @throws {ReplicaError} `REFUSED`: none is prepared; {SnapshotError}; {NativeError} the sync failed */
  async commit(): Promise<() => Promise<void>> {
    const prepared = this.takePending();
    if (prepared === null) throw new ReplicaError("REFUSED", "no snapshot is prepared here");
    const lap = laps();
    const held = { flushMs: 0, renameMs: 0, switchMs: 0 };
    await this.change(async () => {
      // Where the chain has the snapshot after a power cut, it is whole: nobody could tell what it lacks, and on which copy.
      await this.store.holdChanges(true).catch(async (error: unknown) => {
        await this.undo(prepared);
        throw error;
      });
      held.flushMs = lap();
      this.replica.directory = await commitSnapshot(this.directory, prepared);
      held.renameMs = lap();
      // No removed layers are named after it: the new snapshot is kept, and lies between them and the head.
      await this.orBreak(() => this.store.switchLayers());
      held.switchMs = lap();
    });
    this.replica.noteChainChanged();
    return () => this.finish(prepared, held);
  }

  private async finish(prepared: PreparedSnapshot, held: Held): Promise<void> {
    const { path } = this.directory;
    const rename = () => this.store.renameLayer(join(path, prepared.oldHead), join(path, prepared.file));
    await this.change(() => this.orBreak(rename), false);
    await this.dropOldHead(prepared);
    this.log.info({ snapshot: prepared.file, head: prepared.head.file, held }, "snapshot taken");
  }

  private async dropOldHead(prepared: PreparedSnapshot): Promise<void> {
    try {
      await finishSnapshot(this.directory.path, prepared);
    } catch (err) {
      this.oldHeads.push(prepared);
      this.log.warn({ err }, "the old head's name is left over");
      return;
    }
    // It was read again meanwhile, perhaps.
    const disks = new Map(this.directory.disks);
    if (disks.delete(prepared.oldHead)) this.replica.directory = { ...this.directory, disks };
  }

  /** Undoes what was prepared, if anything was. */
  async abandon(): Promise<void> {
    const prepared = this.takePending();
    if (prepared !== null) await this.undo(prepared);
  }

  /** What an engine of ours asks for: a snapshot, or an expansion.
   * @throws {ReplicaError} `REFUSED`, also where there is nothing to expand; {SnapshotError} */
  async prepareAs(request: PrepareSnapshotRequest): Promise<void> {
    this.noteChange(request);
    const { engineId, change, name, userCreated, created, labels, expandTo } = request;
    const asked =
      expandTo === 0
        ? { name, userCreated, created, labels: labelsOf(labels), size: null }
        : this.expansion(expandTo, created);
    if (asked === null) throw new ReplicaError("REFUSED", `the replica has ${expandTo} bytes already`);
    await this.prepare(asked, { engineId, change });
  }

  async snapshot(request: SnapshotRequest): Promise<void> {
    try {
      await this.prepare(request);
    } catch (error) {
      // Not when it is only prepared: whoever then asks for the whole has to fail for the same reason.
      if (error instanceof SnapshotError) await this.clearWay(request.name);
      throw error;
    }
    const finish = await this.commit();
    await finish();
  }

  /** @param size bytes
   * @param created RFC 3339, seconds, UTC
   * @throws as `structuredError` tells apart */
  async expand(size: number, created: string): Promise<void> {
    const request = this.expansion(size, created);
    if (request !== null) await this.snapshot(request);
  }

  private expansion(size: number, created: string): SnapshotRequest | null {
    return expansion(this.directory, size, created, this.settings.countMax);
  }

  /** What the head held is gone. @param file data file name of a snapshot */
  async revert(file: string, created: string): Promise<void> {
    this.refuseWhileBusy();
    await this.finishRemoval();
    await this.store.holdChanges();
    await this.change(async () => {
      this.follow(await revert(this.directory, file, created));
      await this.orBreak(() => this.reloadStore());
    });
    this.replica.noteChainChanged();
    await this.noteRemoved();
    this.log.info({ snapshot: file, head: this.directory.meta.head }, "reverted");
  }

  async markRemoved(name: string): Promise<void> {
    this.replica.directory = await markRemoved(this.directory, name);
    await this.noteRemoved();
  }

  async remove(file: string, force: boolean): Promise<void> {
    this.refuseWhileBusy();
    await this.finishRemoval();
    const isLive = this.directory.chain.includes(file);
    if (isLive) await this.store.holdChanges();
    await this.change(async () => {
      this.follow(await removeDisk(this.directory, file, force));
      if (isLive) await this.orBreak(() => this.reloadStore());
    }, isLive);
    if (isLive) await this.noteRemoved();
  }

  /** After `source` has taken in what `target` holds. */
  async replace(target: string, source: string): Promise<void> {
    this.refuseWhileBusy();
    await this.finishRemoval();
    const isLive = this.directory.chain.includes(target);
    const { merging } = this;
    const merged = merging?.done === true && merging.target === target && merging.source === source;
    const reload = isLive && !merged;
    if (reload) await this.store.holdChanges();
    await this.change(async () => {
      this.follow(await replaceDisk(this.directory, target, source));
      const { path } = this.directory;
      if (reload) await this.orBreak(() => this.reloadStore());
      else if (isLive)
        await this.orBreak(() => this.store.renameLayer(join(path, source), join(path, target)));
      if (merging?.target === target && merging.source === source) this.merging = null;
    }, reload);
    await this.noteRemoved();
  }

  /** What a purge came to no end with, on a full disk for one: the store has merged two layers, the directory has both. */
  async replaceMerged(): Promise<void> {
    if (this.merging?.done === true) await this.replace(this.merging.target, this.merging.source);
  }

  /** Takes the directory as it is on disk: somebody else has put files there. */
  async reload(): Promise<void> {
    const { request = null, change = null } = this.pending ?? {};
    // Whoever reloads need not know that an engine is about to take a snapshot.
    await this.abandon();
    this.refuseWhileBusy();
    const directory = await openDirectory(this.directory.path);
    await this.store.prepareLayers(await this.layers(directory));
    await this.store.holdChanges();
    await this.change(async () => {
      this.replica.directory = directory;
      this.leftOver = false;
      await this.orBreak(() => this.switchStore());
      this.merging = null;
    });
    await this.noteRemoved();
    this.log.info({ chain: directory.chain }, "reloaded");
    if (request !== null) await this.prepare(request, change);
  }

  /** Copies what `target` holds into `source`, its parent, while I/O goes on. Both are in the live chain. */
  async merge(source: string, target: string, onProgress: OnProgress): Promise<void> {
    const { path } = this.directory;
    // At once: the store has one layer a little earlier than this hears of it.
    this.merging = { source, target, done: false };
    try {
      await this.whileWorking(() =>
        this.store.mergeLayers(join(path, source), join(path, target), onProgress),
      );
      this.merging = { source, target, done: true };
    } catch (error) {
      this.merging = null;
      throw error;
    }
  }

  /** The same with files of a branch, which the store knows nothing of. Resolves when nothing is written to them any more. */
  async fold(source: string, target: string, onProgress: OnProgress): Promise<void> {
    const { path } = this.directory;
    this.folding = true;
    await foldFile(join(path, target), join(path, source), onProgress).finally(() => (this.folding = false));
  }

  /** Somebody else is about to do that with the files: unmap leaves both alone until they are replaced, or reloaded. What it
   * freed in between a read and a write of theirs would be there again. */
  async expectMerge(source: string, target: string): Promise<void> {
    if (this.working || this.merging?.done === true || !this.directory.chain.includes(source)) return;
    this.merging = { source, target, done: false };
    await this.noteRemoved();
  }

  /** Frees in the head's parent what the head holds as well, while I/O goes on. */
  prune(file: string, onProgress: OnProgress): Promise<void> {
    return this.whileWorking(() => this.store.pruneLayer(join(this.directory.path, file), onProgress));
  }

  private async whileWorking(work: () => Promise<void>): Promise<void> {
    this.working = true;
    await work().finally(() => (this.working = false));
  }

  private follow({ directory, failure: err }: Outcome): void {
    this.replica.directory = directory;
    this.leftOver = err !== null;
    if (err !== null) this.log.warn({ err }, "files that were to be removed are left over");
  }

  /** One more try at what is left over. Nothing in memory knows of these files any more. And once a snapshot has become another
   * file, nobody could tell an old head from data of its own. */
  private async finishRemoval(): Promise<void> {
    for (const prepared of this.oldHeads.splice(0)) await this.dropOldHead(prepared);
    if (!this.leftOver) return;
    this.leftOver = false;
    await finishIntent(this.directory.path).catch((err: unknown) => {
      this.log.warn({ err }, "files that were to be removed stay");
    });
  }

  /** Resolves when no snapshot is prepared: the one that was is committed, or abandoned. */
  async settled(): Promise<void> {
    while (this.pending !== null) await new Promise<void>((resolve) => this.untilSettled.push(resolve));
  }

  get engineChanges(): EngineChanges {
    return { prepared: this.pending?.change ?? null, newest: this.newestChange };
  }

  /** It has come, and is not to be begun later. */
  noteChange(change: EngineChange): void {
    this.newestChange = newestWith(this.engineChanges, change);
  }

  get pendingChange(): "none" | "snapshot" | "expansion" {
    if (this.pending === null) return "none";
    return this.pending.request.size === null ? "snapshot" : "expansion";
  }

  private async reloadStore(): Promise<void> {
    await this.store.prepareLayers(await this.layers(this.directory));
    await this.switchStore();
  }

  private async switchStore(): Promise<void> {
    await this.store.switchLayers();
    // It has both files anew. Somebody else who is at them is not done.
    if (this.merging?.done === true) this.merging = null;
  }

  private async layers(directory: ReplicaDirectory) {
    const layers = await layersOf(directory, directory.chain, this.options.backingFile);
    return { ...layers, size: directory.meta.size };
  }

  // Held changes go on only when directory and store agree on the head.
  private async change(work: () => Promise<void>, held = true): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof BrokenChain || (error instanceof ReplicaError && error.code === "UNCERTAIN")) {
        this.onBroken(error);
        throw error;
      }
      if (held) this.store.resumeChanges();
      throw error;
    }
    if (held) this.store.resumeChanges();
  }

  private async orBreak(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      throw new BrokenChain(`the store did not follow its directory: ${text}`, { cause: error });
    }
  }

  private refuseWhileBusy(): void {
    if (this.pending !== null) throw new ReplicaError("REFUSED", "a snapshot is being taken");
    if (this.working || this.folding) throw new ReplicaError("REFUSED", "replica is purging snapshots");
  }

  private takePending(): PreparedSnapshot | null {
    if (this.pending === null) return null;
    const { prepared, timer } = this.pending;
    clearTimeout(timer);
    this.pending = null;
    for (const resolve of this.untilSettled.splice(0)) resolve();
    return prepared;
  }

  private async clearWay(name: string): Promise<void> {
    await clearWay(this.directory, name).catch((err: unknown) => {
      this.log.warn({ err }, "what is in the way of a snapshot's files stays");
    });
  }

  private async undo(prepared: PreparedSnapshot): Promise<void> {
    const failure = await abandonSnapshot(this.directory, prepared);
    if (failure !== null) this.log.warn({ err: failure }, "an abandoned snapshot's files are left over");
  }
}

class BrokenChain extends Error {}

/** Those before the first that has rotted: when something was freed in that, nobody could tell any more. */
async function soundLayers(paths: readonly string[]): Promise<string[]> {
  for (const [at, path] of paths.entries())
    if (await hasRotted(path).catch(() => true)) return paths.slice(0, at);
  return [...paths];
}

/** Paths of the snapshots right behind the head that are marked as removed and that nobody else reads: an unbroken run. */
export function removedLayers(directory: ReplicaDirectory): string[] {
  const { path, chain, disks } = directory;
  const children = childrenByParent(directory);
  const end = chain.findIndex((name, at) => at > 0 && (disks.get(name)?.removed !== true || (children.get(name)?.length ?? 0) > 1)); // prettier-ignore
  return chain.slice(1, end === -1 ? undefined : end).map((name) => join(path, name));
}
