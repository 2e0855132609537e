/** Replicas of a running volume: added, rebuilt, removed, and set to ERR by a client. */
import { randomUUID } from "node:crypto";
import { ReplicaMode, type SyncFileInfo } from "../../proto/longhorn.js";
import { isUnavailable, withContext } from "../../proto/rpc-error.js";
import type { AttachedVolume } from "../attached-volume.js";
import type { DecisionQueue } from "../decision-queue.js";
import { bytesOf } from "../disks.js";
import type { SnapshotCopier } from "../snapshot-followers.js";
import { withDeadline } from "../deadline.js";
import { checkAlike, isPlainFile } from "../plain-file/plain-file.js";
import type { Expansion } from "./expansion.js";
import type { FrontendSwitch } from "./frontend-switch.js";
import { FAILED_CLOSE_WAIT_MS } from "./limits.js";
import { checkSynced, copyRevision, copySnapshots, loadFiles, prepareRebuild } from "./rebuild.js";
import { ReplicaEntry } from "./replica-entry.js";
import type { Settings } from "./settings.js";
import { now } from "../timestamp.js";
import { inTwoParts } from "./snapshot-request.js";
import type { VolumeState } from "./volume-state.js";

const MODE_NAMES = new Map<number | undefined, string>(
  Object.entries(ReplicaMode).map(([name, mode]) => [mode, name]),
);

export class ReplicaList {
  readonly #verifying = new Map<ReplicaEntry, Promise<void>>();
  /** of replicas that were removed, by address */
  readonly #closing = new Map<string, Promise<void>>();

  constructor(
    private readonly state: VolumeState,
    private readonly settings: Settings,
    private readonly frontend: FrontendSwitch,
    private readonly expansion: Expansion,
    private readonly changes: DecisionQueue,
  ) {}

  /** Adds a replica that is closed: all writes go to it from a moment on at which all copies took a snapshot. One that is
   * known is left as it is.
   * @param snapshotRequired false: its data come from a backup
   * @param mode of `ReplicaMode`
   * @throws {Error} and then it is not added */
  async add(address: string, snapshotRequired: boolean, mode: number): Promise<void> {
    const { state } = this;
    if (address === "") throw new Error("replica address is required");
    if (state.entries.some((entry) => entry.address === address)) return;
    if (mode !== ReplicaMode.WO) throw new Error("a replica can only be created in mode WO");
    if (state.inMode(ReplicaMode.WO).length > 0) throw new Error("can only have one WO replica at a time");
    if (state.entries.length === 0 && isPlainFile(address)) return this.#addFirst(address);
    const attached = state.running();
    if (this.expansion.running) throw new Error("cannot add WO replica during expansion");
    if (snapshotRequired) await this.settings.checkRoom();
    state.checkCount(state.entries.length + 1);
    checkAlike([address, ...state.entries.map((entry) => entry.address)]);
    const entry = new ReplicaEntry(address, state.owner, null, {
      restored: !snapshotRequired || isPlainFile(address),
      fileBytes: null,
    });
    // Removed and added again at once.
    await this.#closing.get(address);
    // What was begun when it was part of the volume would go on in its directory.
    if (attached.replicas.looksAfter(entry.peer))
      throw new Error(`replica ${address} is still being looked after by the engine: try again later`);
    try {
      await this.#openNew(entry);
      await this.#letJoin(attached, entry, snapshotRequired && !entry.isFile);
    } catch (error) {
      // Whoever tries again has to find it closed.
      if (entry.isOpen) await entry.closeInBackground(state.log);
      else entry.disconnect();
      throw error;
    }
    state.entries = [...state.entries, entry];
    state.log.info({ replica: address }, "replica added: it is rebuilt");
  }

  /** A plain file where there is no volume yet: it begins with the file when that is set to RW. */
  async #addFirst(address: string): Promise<void> {
    const { state } = this;
    const entry = new ReplicaEntry(address, state.owner, null, { restored: true, fileBytes: null });
    try {
      await entry.open(false, state.log);
      await entry.close();
    } catch (error) {
      entry.disconnect();
      throw error;
    }
    state.entries = [entry];
    state.log.info({ replica: address }, "plain file added: the volume begins when it is set to RW");
  }

  /** Opens a replica that fits, and tells it the volume's settings. */
  async #openNew(entry: ReplicaEntry): Promise<void> {
    const { state } = this;
    const { size, revisionCounterDisabled } = await entry.open(false, state.log);
    if (Number(size) !== state.size)
      throw new Error(`replica ${entry.address} has ${size} bytes, the volume has ${state.size}`);
    if (entry.isFile) return setRebuilding(entry, true);
    const { disableRevisionCounter } = state.options;
    if (revisionCounterDisabled !== disableRevisionCounter)
      throw new Error(`replica ${entry.address} has its revision counter disabled: ${revisionCounterDisabled}, the engine's: ${disableRevisionCounter}`); // prettier-ignore
    await this.settings.pushAll(entry);
  }

  async #letJoin(attached: AttachedVolume, entry: ReplicaEntry, snapshotRequired: boolean): Promise<void> {
    const { state } = this;
    const request = { name: randomUUID(), userCreated: false, created: now(), labels: {} };
    const timeoutMs = state.options.replicaTimeoutMs;
    const snapshot = (one: ReplicaEntry) =>
      one.call(
        `failed to snapshot replica ${one.peer} from remote`,
        (calls, options) => calls.replicaSnapshot(request, options),
        timeoutMs,
      );
    if (snapshotRequired) {
      // What can be done before, is: I/O waits for the copies' snapshot.
      await snapshot(entry);
      await attached.volume.flush(null);
    }
    const failures = await attached.replicas.add(entry.link(), {
      apply: (peer) => (snapshotRequired ? snapshot(state.entryAt(peer)) : Promise.resolve()),
      ...(snapshotRequired ? { snapshot: inTwoParts(request, timeoutMs) } : {}),
    });
    if (state.modeOf(entry) !== ReplicaMode.WO) throw state.failureOf(failures);
  }

  /** @returns what has to be copied to a replica that is added
   * @throws {Error} it is not being added, or could not be prepared */
  async prepareRebuild(address: string): Promise<SyncFileInfo[]> {
    const entry = this.#rebuilt(address, "prepare");
    if (entry.isFile) throw new Error(`${address} is a plain file: it is made equal when it is set to RW`);
    const files = await this.#fromCopy(address, (source) => prepareRebuild(source, entry));
    this.state.running().replicas.beginFiles(entry.peer);
    if (entry.rebuild !== null) entry.rebuild.fileBytes = bytesOf(files);
    return files;
  }

  #rebuilt(address: string, verb: string): ReplicaEntry {
    const entry = this.state.entries.find((one) => one.address === address);
    const mode = entry === undefined ? undefined : this.state.modeOf(entry);
    if (entry === undefined || mode !== ReplicaMode.WO)
      throw new Error(`invalid mode ${MODE_NAMES.get(mode)} for replica ${address} to ${verb} rebuild`);
    if (entry.rebuild === null) throw new Error(`replica ${address} is made equal by the engine itself`);
    return entry;
  }

  /** Does something with a copy: with the next one, when the first cannot be reached. */
  async #fromCopy<T>(address: string, work: (source: ReplicaEntry) => Promise<T>): Promise<T> {
    let failure: unknown = new Error(`no replica is there that ${address} could be rebuilt from`);
    for (const source of this.state.inMode(ReplicaMode.RW)) {
      try {
        return await work(source);
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /** Makes a replica readable whose files were copied. When that fails, it becomes ERR. Other changes go on meanwhile.
   * @throws {Error} */
  verifyRebuild(address: string): Promise<void> {
    const present = this.state.entries.find((one) => one.address === address);
    if (present !== undefined && this.state.modeOf(present) === ReplicaMode.RW) return Promise.resolve();
    const entry = this.#rebuilt(address, "verify");
    // Its caller may have lost patience, and ask again.
    let verifying = this.#verifying.get(entry);
    if (verifying === undefined) {
      verifying = this.#verify(entry).finally(() => this.#verifying.delete(entry));
      this.#verifying.set(entry, verifying);
    }
    return verifying;
  }

  async #verify(entry: ReplicaEntry): Promise<void> {
    const { address, peer, rebuild } = entry;
    const { replicas } = this.state.running();
    const { restored, fileBytes } = rebuild ?? { restored: false, fileBytes: null };
    try {
      // What its sync agent has copied may be what somebody else asked for, before.
      if (!restored && fileBytes === null) throw new Error("nobody has asked what is to be copied to it");
      if (!restored) await checkSynced(entry);
      await replicas.finishRebuild(peer, {
        compareAll: restored,
        fileBytes: fileBytes ?? 0,
        load: () => this.#load(entry),
        settle: () => this.#fromCopy(address, (source) => copyRevision(source, entry)),
      });
      if (entry.isFile) await setRebuilding(entry, false);
      // In turn with whoever changes a setting, which it may have been too busy to take.
      else await this.changes.run(() => this.settings.pushAll(entry));
      entry.rebuild = null;
      this.state.log.info({ replica: address }, "replica rebuilt");
    } catch (error) {
      const failure = withContext(`failed to verify rebuild of replica ${address}`, error);
      await replicas.fail(peer, failure.message);
      throw failure;
    }
  }

  #load(entry: ReplicaEntry): Promise<void> {
    return this.changes.run(() => this.#fromCopy(entry.address, (source) => loadFiles(source, entry)));
  }

  /** For replicas that are rebuilt, and those that are resynced when a snapshot is taken. */
  readonly copier: SnapshotCopier = {
    begin: async (peer) => {
      const entry = this.state.entryAt(peer);
      if (!(await entry.get()).rebuilding) await setRebuilding(entry, true);
    },
    copy: async (peer, names) => {
      const entry = this.state.entryAt(peer);
      const bytes = await copySnapshots(this.state.inMode(ReplicaMode.RW), entry, names);
      await this.#load(entry);
      return bytes;
    },
    end: (peer) => setRebuilding(this.state.entryAt(peer), false),
  };

  /** Durably no member any more when it resolves. One that is not known is no error.
   * @throws {Error} */
  async remove(address: string): Promise<void> {
    const { state } = this;
    const entry = state.entries.find((one) => one.address === address);
    if (entry === undefined) return;
    if (state.entries.length === 1) {
      if (this.frontend.isUp) throw new Error("cannot remove last replica if volume is up");
      await state.detach();
    } else if (entry.unusable === null && !(await state.running().replicas.remove(entry.peer))) {
      throw new Error(`cannot remove replica ${address}: no other replica could record that it is gone`);
    }
    state.entries = state.entries.filter((one) => one !== entry);
    state.log.info({ replica: address }, "replica removed");
    if (entry.unusable !== null) {
      entry.disconnect();
      return;
    }
    const closing = entry.closeInBackground(state.log).finally(() => {
      if (this.#closing.get(address) === closing) this.#closing.delete(address);
    });
    this.#closing.set(address, closing);
    // Who had it removed may open it next: a close that comes late would undo that.
    await withDeadline(closing, FAILED_CLOSE_WAIT_MS).catch(() => undefined);
  }

  /** One that was added, and becomes a copy when it is set to RW: there are no files for somebody else to copy. */
  addedFile(address: string): ReplicaEntry | null {
    const entry = this.state.entries.find((one) => one.address === address);
    return entry?.isFile === true && entry.rebuild !== null ? entry : null;
  }

  /** @param mode of `ReplicaMode`
   * @throws {Error} */
  async setMode(address: string, mode: number): Promise<void> {
    const { state } = this;
    if (mode !== ReplicaMode.ERR && mode !== ReplicaMode.RW)
      throw new Error(`cannot set to mode ${mode === ReplicaMode.WO ? "WO" : mode}`);
    const entry = state.entries.find((one) => one.address === address);
    if (entry === undefined) return;
    const present = state.modeOf(entry);
    if (mode === ReplicaMode.RW) {
      // ERR is final, as in Longhorn.
      if (present !== ReplicaMode.WO) return;
      throw new Error(`replica ${address} is not equal to the others yet`);
    }
    // One that has failed may be on its way back.
    if (present === ReplicaMode.ERR && state.attached === null) return;
    if (!(await state.running().replicas.fail(entry.peer, "set to ERR by a client")))
      throw new Error(`cannot set replica ${address} to ERR: no other replica could record it`);
  }
}

async function setRebuilding(entry: ReplicaEntry, rebuilding: boolean): Promise<void> {
  await entry.call(
    `failed to set rebuilding to ${rebuilding} for replica ${entry.address}`,
    (calls, options) => calls.rebuildingSet({ rebuilding }, options),
  );
}
