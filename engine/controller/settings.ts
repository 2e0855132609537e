/** Settings of a volume that its replicas have to know, and what they limit. */
import { errorText } from "../../proto/rpc-error.js";
import type { ReplicaEntry } from "./replica-entry.js";
import { maxCountRefusal, maxSizeRefusal, snapshotRefusal } from "./snapshot-limits.js";
import type { VolumeState } from "./volume-state.js";

export class Settings {
  #unmapMark: boolean;
  #maxCount: number;
  #maxSize: number;

  constructor(private readonly state: VolumeState) {
    this.#unmapMark = state.options.unmapMarkSnapChainRemoved;
    this.#maxCount = state.options.snapshotMaxCount;
    this.#maxSize = state.options.snapshotMaxSize;
  }

  get unmapMark(): boolean {
    return this.#unmapMark;
  }

  get maxCount(): number {
    return this.#maxCount;
  }

  /** bytes; 0: no limit */
  get maxSize(): number {
    return this.#maxSize;
  }

  /** @throws {Error} no replica has room for another snapshot */
  async checkRoom(): Promise<void> {
    const refusal = snapshotRefusal(await this.state.usages(), this);
    if (refusal !== null) throw new Error(refusal);
  }

  /** @throws {Error} */
  async setMaxCount(count: number): Promise<void> {
    const refusal = maxCountRefusal(this.state.attached === null ? [] : await this.state.usages(), count);
    if (refusal !== null) throw new Error(refusal);
    this.#maxCount = count;
    for (const entry of this.state.written())
      await entry.call(
        `failed to set flag SnapshotMaxCount to ${count} in replica ${entry.address}`,
        (calls, options) => calls.snapshotMaxCountSet({ count }, options),
      );
  }

  /** @throws {Error} */
  async setMaxSize(size: number): Promise<void> {
    const refusal = maxSizeRefusal(this.state.attached === null ? [] : await this.state.usages(), size);
    if (refusal !== null) throw new Error(refusal);
    this.#maxSize = size;
    for (const entry of this.state.written())
      await entry.call(
        `failed to set flag SnapshotMaxSize to ${size} in replica ${entry.address}`,
        (calls, options) => calls.snapshotMaxSizeSet({ size }, options),
      );
  }

  /** @throws {Error} no replica took it */
  async setUnmapMark(enabled: boolean): Promise<void> {
    const { state } = this;
    this.#unmapMark = enabled;
    if (state.attached === null) return;
    await this.pushUnmapMark(state.written(), async (entry, cause) => {
      await state.attached?.replicas.fail(entry.peer, cause);
    });
  }

  /** Tells replicas.
   * @param refused called for each that did not take it, while another one did
   * @throws {Error} no replica took it */
  async pushUnmapMark(
    entries: ReplicaEntry[],
    refused: (entry: ReplicaEntry, cause: string) => Promise<void>,
  ): Promise<void> {
    const failed: [ReplicaEntry, string][] = [];
    for (const entry of entries) {
      try {
        await entry.call("failed to set UnmapMarkDiskChainRemoved", (calls, options) =>
          calls.unmapMarkDiskChainRemovedSet({ enabled: this.#unmapMark }, options),
        );
      } catch (error) {
        failed.push([entry, errorText(error)]);
      }
    }
    if (failed.length > 0 && failed.length === entries.length) {
      throw new Error(
        `failed to correct Unmatched flag UnmapMarkSnapChainRemoved for all replicas, expect ${this.#unmapMark}: ${failed.map(([{ address }, cause]) => `${address}: ${cause}`).join("; ")}`,
      );
    }
    for (const [entry, cause] of failed) await refused(entry, cause);
  }

  /** Tells a replica that is added all of them.
   * @throws {Error} */
  async pushAll(entry: ReplicaEntry): Promise<void> {
    await this.pushUnmapMark([entry], () => Promise.resolve());
    await entry.call(`failed to set flags of replica ${entry.address}`, async (calls, options) => {
      await calls.snapshotMaxCountSet({ count: this.#maxCount }, options);
      await calls.snapshotMaxSizeSet({ size: this.#maxSize }, options);
    });
  }
}
