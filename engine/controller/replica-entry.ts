/** One replica in the controller's list: its address as it was given, and calls of its ReplicaService. */
import type { Logger } from "pino";
import type { OpeningRequest, RecordedReply } from "../../proto/control.js";
import type { Replica } from "../../proto/longhorn.js";
import { errorText, isExpired, isUnavailable, isUnimplemented, withContext } from "../../proto/rpc-error.js";
import { grpcAddress } from "../client/addresses.js";
import { QUERY_TIMEOUT_MS } from "../client/limits.js";
import { LonghornLink } from "../longhorn/longhorn-link.js";
import { FileLink } from "../plain-file/file-link.js";
import { isPlainFile, PlainFile } from "../plain-file/plain-file.js";
import { ReplicaLink } from "../replica-link.js";
import {
  connectReplica,
  connectSyncAgent,
  type ReplicaConnection,
  type SyncAgentConnection,
} from "../client/connections.js";

/** A replica that was opened, as it was then. */
export interface Opened {
  entry: ReplicaEntry;
  replica: Replica;
}

/** Whose list it is in. */
export interface EntryOwner {
  volume: string;
  engineId: string;
  /** it takes plain files as well */
  takesFiles: boolean;
  /** where one of Longhorn's own serves its data, path of a unix socket; null: at a port */
  dataSocket: string | null;
  /** the engine as the replica at `peer` has recorded it; null: while it is no part of the volume */
  engineAt: (peer: string) => OpeningRequest | null;
}

export class ReplicaEntry {
  /** `host:port` */
  readonly peer: string;
  /** null: it is a replica, in a process of its own */
  readonly #file: PlainFile | null;
  readonly #connection: Pick<ReplicaConnection, "call" | "close">;
  /** whom its calls name: before it has a part in the volume, the engine that it was found to have recorded; null: it had none */
  #named: OpeningRequest | null = null;
  /** opened by us */
  isOpen = false;
  /** the engine that was recorded when it was opened; "": none */
  #engineBefore = "";
  /** one of ours that cannot be opened, and answers for its record all the same */
  isDamaged = false;
  /** it did not answer when the volume began */
  isAbsent = false;
  /** of one of Longhorn's own; `clean`: it was closed in order before it was opened. Null: it is one of ours; undefined: it
   * could not be asked yet */
  longhorn: { clean: boolean } | null | undefined;

  /** @param address as given, with or without `tcp://`; `file://` and a path for a plain file */
  constructor(
    readonly address: string,
    private readonly owner: EntryOwner,
    /** why it was never part of the volume; null when it was */
    public unusable: string | null = null,
    /** while it is added to the running volume; `restored`: its data do not come as a copy's files; `fileBytes`: of
     * what somebody was told to copy to it, null: nobody was */
    public rebuild: { restored: boolean; fileBytes: number | null } | null = null,
  ) {
    this.#file = isPlainFile(address) ? new PlainFile(address, owner) : null;
    this.peer = this.#file?.peer ?? grpcAddress(address);
    this.#connection = this.#file ?? connectReplica(address, { volumeName: owner.volume }, this.#engine);
    this.longhorn = this.#file === null ? undefined : { clean: false };
  }

  get isFile(): boolean {
    return this.#file !== null;
  }

  /** What was known last is named where it has no part in the volume any more: it does nothing for us once another one is recorded. */
  #engine = (): OpeningRequest | null => (this.#named = this.owner.engineAt(this.peer) ?? this.#named);

  /** To be closed by whoever uses it. */
  syncAgent(): SyncAgentConnection {
    return connectSyncAgent(this.address, { volumeName: this.owner.volume }, this.#engine);
  }

  /** @throws {Error} */
  call: ReplicaConnection["call"] = (...args) => this.#connection.call(...args);

  async get(timeoutMs = QUERY_TIMEOUT_MS): Promise<Replica> {
    const { replica } = await this.call(
      `failed to get replica ${this.peer} info from remote`,
      (calls, options) => calls.replicaGet({}, options),
      timeoutMs,
    );
    if (replica === null) throw new Error(`replica ${this.peer} says nothing about itself`);
    return replica;
  }

  /** Opens a closed replica.
   * @param alone it is the only one: a rebuild that was broken off has nowhere to go on from
   * @throws {Error} */
  async open(alone: boolean, log: Logger): Promise<Replica> {
    const before = await this.get();
    const recorded = await this.#recorded();
    this.longhorn = recorded === null ? { clean: !before.dirty } : null;
    this.#found(recorded);
    this.#engineBefore = this.#named?.engineId ?? "";
    if (before.state !== "closed")
      throw new Error(`replica must be closed, cannot add in state: ${before.state}`);
    await this.call(`failed to open replica ${this.peer} from remote`, (calls, options) =>
      calls.replicaOpen({}, options),
    );
    this.isOpen = true;
    try {
      if (alone && before.rebuilding) {
        await this.#endRebuild().catch((err: unknown) =>
          log.warn({ err, replica: this.address }, "rebuild could not be reset"),
        );
      }
      let opened = await this.get();
      if (opened.state === "rebuilding" && this.longhorn === null && (await this.#isWhole())) {
        await this.#endRebuild();
        opened = await this.get();
      }
      // A file that is added is made equal as a whole, whatever it was before.
      const isUsable = this.isFile && this.rebuild !== null && opened.state === "rebuilding";
      if (opened.state !== "open" && opened.state !== "dirty" && !isUsable)
        throw new Error(`backend ${this.address} is in the invalid state ${opened.state}`);
      if (this.isFile) log.info({ replica: this.peer, file: this.address }, "plain file opened");
      return opened;
    } catch (error) {
      await this.close().catch(() => undefined);
      throw withContext(`replica ${this.address} cannot be used`, error);
    }
  }

  /** One that an engine has left open which has crashed: whose it is now, the takeover finds out. A closed one is opened.
   * @throws {Error} */
  async resume(log: Logger): Promise<Replica> {
    const found = await this.get();
    const isOpen = found.state === "open" || found.state === "dirty";
    const recorded = isOpen ? await this.#recorded() : null;
    if (recorded === null) return this.open(false, log);
    this.#found(recorded);
    // Not opened by us: it may turn out to be another engine's, and is not ours to close then.
    this.longhorn = null;
    return found;
  }

  /** From here on it does nothing for us when another engine records itself there first. */
  #found(recorded: RecordedReply | null): void {
    const record = recorded?.record ?? null;
    this.#named = record && { engineId: record.engineId, generation: record.generation, opening: "" };
  }

  /** @returns null: Longhorn's replicas do not serve what ours do */
  async #recorded(): Promise<RecordedReply | null> {
    if (this.isFile) return null;
    const link = new ReplicaLink(this.peer);
    try {
      return { record: await link.recorded() };
    } catch (error) {
      if (isUnimplemented(error)) return null;
      throw error;
    } finally {
      link.close();
    }
  }

  /** Whether an engine of ours has recorded itself there, or it cannot be asked. */
  async mayHaveRecord(): Promise<boolean> {
    if (this.isFile) return false;
    const link = new ReplicaLink(this.peer);
    try {
      return (await link.recorded()) !== null;
    } catch (error) {
      return !isUnimplemented(error);
    } finally {
      link.close();
    }
  }

  /** To be closed by whoever uses it. */
  link(): ReplicaLink {
    return this.longhornLink() ?? new ReplicaLink(this.peer);
  }

  /** Null when it is one of ours. */
  longhornLink(): LonghornLink | null {
    const { longhorn, peer, owner } = this;
    if (this.#file !== null) return new FileLink(this.#file, owner.volume);
    return longhorn ? new LonghornLink(peer, owner.volume, longhorn.clean, owner.dataSocket) : null;
  }

  async #endRebuild(): Promise<void> {
    await this.call("failed to reset invalid rebuild", (calls, options) =>
      calls.rebuildingSet({ rebuilding: false }, options),
    );
  }

  /** It is a copy, also where whoever rebuilt it was stopped before it could say so. */
  async #isWhole(): Promise<boolean> {
    const link = new ReplicaLink(this.peer);
    try {
      return (await link.identify()).unfit === "";
    } finally {
      link.close();
    }
  }

  /** To be told why it could not be opened. */
  async noteFailure(error: unknown): Promise<void> {
    this.unusable = errorText(error);
    this.isDamaged = !this.isFile && !(await this.#isWhole().catch(() => true));
    // The port of a process that is stopped takes connections, and nothing answers there. One of Longhorn's is added by somebody else again.
    const isSilent = isUnavailable(error) || isExpired(error);
    this.isAbsent = isSilent && !this.isDamaged && !this.longhorn;
  }

  /** Closes the replica, not the connection. Not behind the back of an engine that has taken the volume over since.
   * @throws {Error} */
  async close(): Promise<void> {
    this.isOpen = false;
    const engine = this.longhorn === null ? await this.#engineToClose() : null;
    try {
      await this.#closeAs(engine);
    } catch (error) {
      // It may have stored another record between the two.
      const now = engine === null ? null : await this.#engineToClose();
      if (now === null || now.generation === engine?.generation) throw error;
      await this.#closeAs(now);
    }
  }

  async #closeAs(engine: OpeningRequest | null): Promise<void> {
    await this.call(`failed to close replica ${this.peer} from remote`, (calls, options) =>
      calls.replicaClose({}, { ...options, engine }),
    );
  }

  /** @returns who is recorded: this engine, or the one before it; null: nobody */
  async #engineToClose(): Promise<OpeningRequest | null> {
    const record = (await this.#recorded())?.record;
    if (record === null || record === undefined) return null;
    const { engineId, generation } = record;
    if (engineId === this.owner.engineId || engineId === this.#engineBefore)
      return { engineId, generation, opening: "" };
    throw new Error(`engine ${engineId} has taken replica ${this.peer} over`);
  }

  /** The same for one of which nobody needs to know how it goes; then the connection ends as well. */
  closeInBackground(log: Logger): Promise<void> {
    return this.close()
      .catch((error: unknown) =>
        log.warn({ replica: this.address, reason: errorText(error) }, "replica could not be closed"),
      )
      .finally(() => this.disconnect());
  }

  disconnect(): void {
    this.#connection.close();
  }
}
