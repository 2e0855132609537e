/**
 * What `unmap-mark-snap-chain-removed` asks for: before something is unmapped, the snapshots directly behind the head are marked as
 * removed, so that what they hold there is given back as well. Unmaps wait for that in the native Volume, but not for long:
 * where marks cannot be made they go on without.
 */
import { ReplicaMode } from "../../proto/longhorn.js";
import { withDeadline } from "../deadline.js";
import type { DecisionQueue } from "../decision-queue.js";
import { behindHead } from "../disks.js";
import { UNMAP_MARK_PAUSE_MS, UNMAP_MARK_WAIT_MS } from "./limits.js";
import type { Settings } from "./settings.js";
import type { VolumeState } from "./volume-state.js";

export class UnmapMarks {
  /** what all that wait meanwhile wait for */
  #marking: Promise<boolean> | null = null;

  /** @param changes of the volume: no snapshot comes or goes while marks are made */
  constructor(
    private readonly state: VolumeState,
    private readonly settings: Settings,
    private readonly changes: DecisionQueue,
  ) {}

  /** Lets the next unmap wait until marks are made, if they are wanted. To be called when there may be something to mark. */
  async arm(): Promise<void> {
    await this.#watch(this.settings.unmapMark);
  }

  async #watch(on: boolean): Promise<void> {
    // When it is being closed, nothing waits any more.
    await this.state.attached?.volume.watchUnmaps(on).catch(() => undefined);
  }

  onUnmapsWaiting(): void {
    this.#marking ??= this.changes
      .run(() => this.#mark())
      .finally(() => {
        this.#marking = null;
      });
    void this.#release(this.#marking);
  }

  /** Whatever comes of it: an unmap is never answered with an error for want of marks. */
  async #release(marking: Promise<boolean>): Promise<void> {
    const { log } = this.state;
    const isDone = await withDeadline(marking, UNMAP_MARK_WAIT_MS).catch((err: unknown) => {
      log.warn({ err }, "snapshots behind the head cannot be marked as removed: unmaps go on without");
      return false;
    });
    await this.#watch(false);
    if (!isDone) setTimeout(() => void this.arm(), UNMAP_MARK_PAUSE_MS).unref();
  }

  /** Durable on all replicas when it resolves.
   * @returns whether there is nothing to mark until the volume is changed
   * @throws {Error} */
  async #mark(): Promise<boolean> {
    const { state } = this;
    if (!this.settings.unmapMark || state.attached === null) return true;
    const entries = state.written();
    // The files of one that is no copy yet are being copied, and what tells of them as well.
    if (entries.some((entry) => state.modeOf(entry) !== ReplicaMode.RW)) return false;
    // The volume's other changes wait meanwhile.
    const { replicaTimeoutMs } = state.options;
    const chains = await Promise.all(
      entries.map(async (entry) => behindHead(await entry.get(replicaTimeoutMs))),
    );
    const [first] = chains;
    if (first === undefined) return true;
    const snapshots = first.disks.map(({ name }) => name);
    if (chains.some(({ disks }) => disks.map(({ name }) => name).join("\n") !== snapshots.join("\n")))
      throw new Error("replicas have different snapshots behind their heads");
    const left = snapshots.filter((_, at) => chains.some(({ disks }) => disks[at]?.removed === false));
    // The oldest first: until the newest is marked on some replica, nothing is given back on any.
    for (const name of left.toReversed()) {
      await Promise.all(
        entries.map((entry) =>
          entry.call(
            `failed to mark disk ${name} as removed for replica ${entry.address}`,
            (calls, options) => calls.diskMarkAsRemoved({ name }, options),
            replicaTimeoutMs,
          ),
        ),
      );
    }
    if (left.length > 0) state.log.info({ snapshots: left }, "snapshots are marked as removed by an unmap");
    return !first.endsAtBranch;
  }
}
