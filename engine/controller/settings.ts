/** Settings of a volume that its replicas have to know, and what they limit. */
import { errorText, isUnimplemented } from "../../proto/rpc-error.js";
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
    await this.#tellAll((entry) => this.#pushMaxCount(entry));
  }

  /** @throws {Error} */
  async setMaxSize(size: number): Promise<void> {
    const refusal = maxSizeRefusal(this.state.attached === null ? [] : await this.state.usages(), size);
    if (refusal !== null) throw new Error(refusal);
    this.#maxSize = size;
    await this.#tellAll((entry) => this.#pushMaxSize(entry));
  }

  /** @throws {Error} no copy took it */
  async setUnmapMark(enabled: boolean): Promise<void> {
    this.#unmapMark = enabled;
    await this.#tellAll((entry) => this.#pushUnmapMark(entry));
  }

  /** As where a snapshot is taken: a copy that does not take it in the time after which it would be dropped is dropped, since its next
   * snapshot, or unmap, could be another one than the others'. One that is rebuilt, and may be busy with that, is told again as the last
   * step of it; an older one of Longhorn's, which does not know the setting, is a good copy all the same.
   * @throws {Error} no copy took it, or one does not know it */
  async #tellAll(tell: (entry: ReplicaEntry) => Promise<unknown>): Promise<void> {
    const { state } = this;
    if (state.attached === null) return;
    const failures = await failuresOf(state.written(), tell);
    if (state.isInVain(failures)) throw state.failureOf(failures);
    const unknown = new Map([...failures].filter(([, error]) => isUnimplemented(error)));
    for (const [peer, error] of failures) {
      if (unknown.has(peer) || state.entryAt(peer).rebuild !== null) continue;
      await state.attached.replicas.fail(peer, errorText(error));
    }
    if (unknown.size > 0) throw state.failureOf(unknown);
  }

  /** Tells replicas of a volume that is being started.
   * @param refused called for each that did not take it, while another one did
   * @throws {Error} no replica took it */
  async pushUnmapMark(
    entries: ReplicaEntry[],
    refused: (entry: ReplicaEntry, cause: string) => Promise<void>,
  ): Promise<void> {
    const failures = await failuresOf(entries, (entry) => this.#pushUnmapMark(entry));
    const refusals = entries.flatMap((entry) => {
      const failure = failures.get(entry.peer);
      return failure === undefined ? [] : [{ entry, cause: errorText(failure) }];
    });
    if (refusals.length > 0 && refusals.length === entries.length)
      throw new Error(
        `failed to correct Unmatched flag UnmapMarkSnapChainRemoved for all replicas, expect ${this.#unmapMark}: ${refusals.map(({ entry, cause }) => `${entry.address}: ${cause}`).join("; ")}`,
      );
    for (const { entry, cause } of refusals) await refused(entry, cause);
  }

  /** Tells a replica that is added all of them.
   * @throws {Error} */
  async pushAll(entry: ReplicaEntry): Promise<void> {
    await this.#pushUnmapMark(entry);
    await this.#pushMaxCount(entry);
    await this.#pushMaxSize(entry);
  }

  #pushUnmapMark(entry: ReplicaEntry) {
    const request = { enabled: this.#unmapMark };
    return entry.call(
      "failed to set UnmapMarkDiskChainRemoved",
      (calls, options) => calls.unmapMarkDiskChainRemovedSet(request, options),
      this.state.options.replicaTimeoutMs,
    );
  }

  #pushMaxCount(entry: ReplicaEntry) {
    const count = this.#maxCount;
    return entry.call(
      `failed to set flag SnapshotMaxCount to ${count} in replica ${entry.address}`,
      (calls, options) => calls.snapshotMaxCountSet({ count }, options),
      this.state.options.replicaTimeoutMs,
    );
  }

  #pushMaxSize(entry: ReplicaEntry) {
    const size = this.#maxSize;
    return entry.call(
      `failed to set flag SnapshotMaxSize to ${size} in replica ${entry.address}`,
      (calls, options) => calls.snapshotMaxSizeSet({ size }, options),
      this.state.options.replicaTimeoutMs,
    );
  }
}

/** @returns by `peer`, of those that did not take it */
async function failuresOf(
  entries: readonly ReplicaEntry[],
  tell: (entry: ReplicaEntry) => Promise<unknown>,
): Promise<Map<string, Error>> {
  const failures = new Map<string, Error>();
  await Promise.all(
    entries.map((entry) => tell(entry).catch((error: unknown) => failures.set(entry.peer, error as Error))),
  );
  return failures;
}
