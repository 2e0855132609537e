/** What the parts of a controller share: the volume, its replicas, and what can be told of them. */
import type { Logger } from "pino";
import type { AttachedVolume } from "../attached-volume.js";
import { ReplicaMode, type Replica } from "../../proto/longhorn.js";
import { errorText, RpcError } from "../../proto/rpc-error.js";
import type { ControllerOptions } from "./options.js";
import type { EntryOwner, ReplicaEntry } from "./replica-entry.js";

export class VolumeState {
  /** in the order given at start, then as added */
  entries: ReplicaEntry[] = [];
  attached: AttachedVolume | null = null;
  /** bytes; 0 before the first start */
  size = 0;
  /** control address, `host:port`; null: there is none */
  witness: string | null;
  /** of its replicas' entries */
  readonly owner: EntryOwner;

  constructor(
    readonly options: ControllerOptions,
    engineId: string,
    readonly log: Logger,
  ) {
    this.witness = options.witness;
    const engineAt = (peer: string) => this.attached?.replicas.requestFor(peer) ?? null;
    const { volume, takesFiles, dataSocket } = options;
    this.owner = { volume, engineId, takesFiles, dataSocket, engineAt };
  }

  /** The one socket does not tell replicas of Longhorn's apart: what is meant for one would reach another.
   * @throws {Error} */
  checkCount(replicas: number): void {
    const { dataSocket, volume } = this.options;
    if (dataSocket !== null && replicas > 1)
      throw new Error(
        `volume ${volume} has its data at ${dataSocket}, where one replica can be, not ${replicas}: ` +
          "start it with one, or with data-server-protocol tcp",
      );
  }

  /** @throws {Error} */
  running(): AttachedVolume {
    if (this.attached === null) throw new Error("no backend available: the volume has no replicas");
    return this.attached;
  }

  /** Releases the replicas, if the volume was started.
   * @returns whether nothing is left to be compared */
  async detach(): Promise<boolean> {
    const { attached } = this;
    this.attached = null;
    return attached === null ? true : attached.detach();
  }

  /** @returns one of `ReplicaMode` */
  modeOf({ peer, unusable, rebuild }: ReplicaEntry): number {
    if (unusable !== null) return ReplicaMode.ERR;
    // The first one, which there is nothing to make equal to.
    if (this.attached === null && rebuild !== null) return ReplicaMode.WO;
    const view = this.attached?.replicas.replicas().find(({ address }) => address === peer);
    const mode = view?.state.mode === "AWAY" ? view.state.was.mode : view?.state.mode;
    if (mode === "RW") return ReplicaMode.RW;
    // One that is being connected or resynced is written, but not read yet.
    const written = mode === "WO" || mode === "CONNECTING" || mode === "RESYNC";
    return written ? ReplicaMode.WO : ReplicaMode.ERR;
  }

  inMode(...modes: number[]): ReplicaEntry[] {
    return this.entries.filter((entry) => modes.includes(this.modeOf(entry)));
  }

  /** Those that writes go to. */
  written(): ReplicaEntry[] {
    return this.inMode(ReplicaMode.RW, ReplicaMode.WO);
  }

  /** Whether no copy has made a change that all were to make together. Whoever failed while a copy succeeded is none any more; what is
   * written, but not read yet, does not count.
   * @param failures by `peer` */
  isInVain(failures: ReadonlyMap<string, unknown>): boolean {
    return failures.size > 0 && this.inMode(ReplicaMode.RW).every(({ peer }) => failures.has(peer));
  }

  /** @param peer `host:port`
   * @throws {Error} */
  entryAt(peer: string): ReplicaEntry {
    const entry = this.entries.find((one) => one.peer === peer);
    if (entry === undefined) throw new Error(`replica ${peer} is not in the list`);
    return entry;
  }

  /** What each of those that writes go to says of itself, as `heardFrom` tells it.
   * @throws {Error} */
  async usages(): Promise<Replica[]> {
    this.running();
    return this.heardFrom(this.written());
  }

  /** What each says of itself. Whoever does not answer within the time after which it would be dropped keeps the others from nothing.
   * @throws {Error} none of them answers */
  async heardFrom(entries: readonly ReplicaEntry[]): Promise<Replica[]> {
    const { options, log } = this;
    const failures = new Map<string, Error>();
    const answers = entries.map((entry) =>
      entry.get(options.replicaTimeoutMs).catch((error: unknown) => {
        failures.set(entry.peer, error as Error);
        return null;
      }),
    );
    const heard = (await Promise.all(answers)).filter((answer) => answer !== null);
    if (heard.length === 0 && failures.size > 0) throw this.failureOf(failures);
    for (const [replica, err] of failures) log.warn({ replica, err }, "replica does not say what it holds");
    return heard;
  }

  /** One error of all, by address; the code of a call that failed is kept. */
  failureOf(failures: ReadonlyMap<string, Error>): Error {
    const text = [...failures]
      .map(([peer, error]) => `${this.entryAt(peer).address}: ${errorText(error)}`)
      .join("; ");
    const [first] = failures.values();
    return first instanceof RpcError ? new RpcError(first.code, text, { cause: first }) : new Error(text);
  }
}
