/**
 * Purge, driven from outside the replica as Longhorn's sync agent does: the replica says what it takes (DiskPrepareRemove)
 * and changes its chain, the data are moved here. For a replica in another process; one in the same has a purge of its own.
 */
import { join } from "node:path";
import type { Logger } from "pino";
import type { PrepareRemoveAction } from "../../proto/longhorn.js";
import { removedDisks } from "../chain.js";
import { refuseRotten } from "../checksum-file.js";
import { foldFile, pruneFile } from "../fold-files.js";
import type { PurgeStatus } from "../purge.js";
import { checkQuietFileName } from "./names.js";
import type { OwnReplica } from "./own-replica.js";
import { Run } from "./run-status.js";

/** Takes snapshots that are marked as removed out of a replica. */
export interface Purging {
  readonly status: PurgeStatus;
  /** Resolves when it is done or has failed: `status` tells.
   * @throws {Error} when it is under way already, before anything is done */
  run(): Promise<void>;
  /** Forgets the last run. */
  reset(): void;
}

export class OutsidePurge implements Purging {
  private readonly purge = new Run();

  constructor(
    private readonly directory: string,
    private readonly replica: OwnReplica,
    private readonly log: Logger,
  ) {}

  get status(): PurgeStatus {
    const { isRunning, ...rest } = this.purge.status;
    return { isPurging: isRunning, ...rest };
  }

  reset(): void {
    this.purge.reset();
  }

  async run(): Promise<void> {
    await this.purge
      .run(1, () => this.all())
      .catch((err: unknown) => this.log.error({ err }, "purge failed"));
  }

  private async all(): Promise<void> {
    const { disks: before, backingFile } = await this.replica.get();
    for (const { name, removed, userCreated } of Object.values(before)) {
      if (isSnapshot(name, backingFile) && !userCreated && !removed) await this.replica.markRemoved(name);
    }
    const { disks, head } = await this.replica.get();
    const order = removedDisks(new Map(Object.entries(disks)), head);
    for (const name of order) {
      for (const action of await this.replica.prepareRemove(name)) await this.act(action);
      this.purge.advance(1 / order.length);
    }
  }

  private async act({ action, source, target }: PrepareRemoveAction): Promise<void> {
    this.log.info({ action, source, target }, "purging");
    const [from, to] = [join(this.directory, source), join(this.directory, target)];
    switch (action) {
      case "remove":
        await this.replica.remove(source);
        return;
      case "replace":
        await this.replica.replace(target, source);
        return;
      case "coalesce":
        checkQuietFileName(source);
        checkQuietFileName(target);
        await refuseRotten(this.directory, [source, target]);
        return foldFile(to, from, () => undefined);
      case "prune":
        checkQuietFileName(source);
        await refuseRotten(this.directory, [source]);
        return pruneFile(from, to);
      default:
        throw new Error(
          `replica ${this.replica.address} wants ${JSON.stringify(action)} done: there is no such action`,
        );
    }
  }
}

function isSnapshot(name: string, backingFile: string): boolean {
  return name !== backingFile && !/^volume-head-\d+\.img$/.test(name);
}
