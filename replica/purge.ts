/**
 * Purge: takes snapshots that are marked as removed out of the chain and its branches, one action after the other, while
 * I/O goes on. It may be interrupted anywhere, by a crash as well, and is begun anew:
 *
 * - A merge copies what the child holds into its parent's file, under the child, which hides it: the child reads the same
 *   at any time, and copying again copies the same bytes. Nobody else reads the parent: it is marked as removed and has
 *   no other child.
 * - A prune frees what the head holds as well, and hides. What is freed already stays free.
 * - Neither is done with a file that is known to have rotted: what comes of it would pass for sound.
 * - Removing and replacing are transactions on the directory.
 *
 * What is left to do follows from the directory alone.
 */
import type { Logger } from "pino";
import type { OnProgress } from "../native/index.js";
import { removedDisks } from "./chain.js";
import type { HostedReplica } from "./hosted-replica.js";
import type { LiveChain } from "./live-chain.js";
import { removalActions, type RemovalAction } from "./ops/prepare-remove.js";
import { ReplicaError } from "./replica-error.js";
import { refuseRotten } from "./checksum-file.js";

/** As Longhorn tells it; of the last run only. */
export interface PurgeStatus {
  isPurging: boolean;
  /** percent */
  progress: number;
  state: "" | "in_progress" | "complete" | "error";
  error: string;
}

const IDLE: PurgeStatus = { isPurging: false, progress: 0, state: "", error: "" };

export class Purge {
  private status_: PurgeStatus = IDLE;
  /** of branches, which the store knows nothing of */
  private folding: Promise<void> = Promise.resolve();

  constructor(
    private readonly hosted: HostedReplica,
    private readonly chain: LiveChain,
    private readonly log: Logger,
  ) {}

  get status(): PurgeStatus {
    return this.status_;
  }

  /** Forgets the last run.
   * @throws {ReplicaError} `REFUSED` during one */
  reset(): void {
    this.refuseWhilePurging();
    this.status_ = IDLE;
  }

  /** Resolves when it is done, or has failed: `status` tells.
   * @throws {ReplicaError} `REFUSED` when it is under way already */
  run(): Promise<void> {
    this.refuseWhilePurging();
    this.status_ = { isPurging: true, progress: 0, state: "in_progress", error: "" };
    return this.purge().then(
      () => {
        this.status_ = { isPurging: false, progress: 100, state: "complete", error: "" };
        this.log.info({ chain: this.chain.directory.chain }, "purged");
      },
      (err: unknown) => {
        const error = err instanceof Error ? err.message : String(err);
        this.status_ = { isPurging: false, progress: this.status_.progress, state: "error", error };
        this.log.error({ err }, "purge failed");
      },
    );
  }

  private refuseWhilePurging(): void {
    if (this.status_.isPurging) throw new ReplicaError("REFUSED", "replica is already purging snapshots");
  }

  private async purge(): Promise<void> {
    await this.inTurn(() => this.chain.replaceMerged());
    await this.inTurn(() => this.markSystemSnapshots());
    const { disks, meta } = this.chain.directory;
    const names = removedDisks(disks, meta.head);
    for (const [done, name] of names.entries()) {
      const onProgress: OnProgress = (bytes, total) => {
        const part = total === 0 ? 1 : bytes / total;
        this.status_ = { ...this.status_, progress: Math.floor(((done + part) / names.length) * 100) };
      };
      onProgress(0, 1);
      await this.remove(name, onProgress);
    }
  }

  private async remove(name: string, onProgress: OnProgress): Promise<void> {
    // What is to be done depends on what is above it: it is begun before another snapshot can be there.
    const { rest, ended } = await this.inTurn(async () => {
      const [first, ...rest] = removalActions(this.chain.directory, name);
      return { rest, ...(await this.begin(first, onProgress)) };
    });
    await ended;
    for (const action of rest) await (await this.inTurn(() => this.begin(action, onProgress))).ended;
  }

  /** Snapshots that no user asked for are kept for nobody. */
  private async markSystemSnapshots(): Promise<void> {
    const { disks, meta } = this.chain.directory;
    for (const [name, disk] of disks) {
      if (!disk.userCreated && !disk.removed && name !== meta.head) await this.chain.markRemoved(name);
    }
  }

  /** @returns the end of what need not be waited for in turn */
  private async begin(
    action: RemovalAction | undefined,
    onProgress: OnProgress,
  ): Promise<{ ended: Promise<void> | null }> {
    if (action === undefined) return { ended: null };
    this.log.info({ ...action }, "purging");
    const { path } = this.chain.directory;
    switch (action.action) {
      case "remove":
        await this.chain.remove(action.source, false);
        return { ended: null };
      case "prune":
        await refuseRotten(path, [action.source]);
        return { ended: this.chain.prune(action.source, onProgress) };
      case "coalesce":
        await refuseRotten(path, [action.source, action.target]);
        return { ended: this.merge(action.source, action.target, onProgress) };
      case "replace":
        await this.chain.replace(action.target, action.source);
        return { ended: null };
    }
  }

  private async merge(source: string, target: string, onProgress: OnProgress): Promise<void> {
    if (this.chain.directory.chain.includes(source)) return this.chain.merge(source, target, onProgress);
    const fold = this.chain.fold(source, target, (bytes, total) => {
      if (this.hosted.current?.purge !== this) throw closed();
      onProgress(bytes, total);
    });
    this.folding = fold.catch(() => undefined);
    await fold;
  }

  /** When the replica is not open any more: resolves, soon, when nothing writes to its files here. */
  stopped(): Promise<void> {
    return this.folding;
  }

  // Between two actions: engines are answered meanwhile, and may close the replica. Not between the two parts of a
  // snapshot: I/O waits for the second, and the files of the first are in the way.
  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      await this.chain.settled();
      const done = await this.hosted.run(async (state) => {
        if (state.state !== "open" || state.chain !== this.chain) throw closed();
        return this.chain.pendingChange === "none" ? { result: await work() } : null;
      });
      if (done !== null) return done.result;
    }
  }
}

function closed(): ReplicaError {
  return new ReplicaError("REFUSED", "the replica was closed");
}
