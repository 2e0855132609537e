/** One replica in the controller's list: its address as it was given, and calls of its ReplicaService. */
import type { Logger } from "pino";
import type { Replica } from "../../proto/longhorn.js";
import { errorText, withContext } from "../../proto/rpc-error.js";
import { grpcAddress } from "../client/addresses.js";
import { connectReplica, type ReplicaConnection } from "../client/connections.js";

export class ReplicaEntry {
  /** `host:port` */
  readonly peer: string;
  readonly #connection: ReplicaConnection;

  /** @param address as given, with or without `tcp://` */
  constructor(
    readonly address: string,
    volumeName: string,
    /** why it was never part of the volume; null when it was */
    public unusable: string | null = null,
  ) {
    this.peer = grpcAddress(address);
    this.#connection = connectReplica(address, { volumeName });
  }

  /** @throws {Error} */
  call: ReplicaConnection["call"] = (...args) => this.#connection.call(...args);

  async get(): Promise<Replica> {
    const { replica } = await this.call(
      `failed to get replica ${this.peer} info from remote`,
      (calls, options) => calls.replicaGet({}, options),
    );
    if (replica === null) throw new Error(`replica ${this.peer} says nothing about itself`);
    return replica;
  }

  /** Opens a closed replica.
   * @param alone it is the only one: a rebuild that was broken off has nowhere to go on from
   * @throws {Error} */
  async open(alone: boolean, log: Logger): Promise<Replica> {
    const before = await this.get();
    if (before.state !== "closed")
      throw new Error(`replica must be closed, cannot add in state: ${before.state}`);
    await this.call(`failed to open replica ${this.peer} from remote`, (calls, options) =>
      calls.replicaOpen({}, options),
    );
    try {
      if (alone && before.rebuilding) {
        await this.call("failed to reset invalid rebuild", (calls, options) =>
          calls.rebuildingSet({ rebuilding: false }, options),
        ).catch((err: unknown) => log.warn({ err, replica: this.address }, "rebuild could not be reset"));
      }
      const opened = await this.get();
      if (opened.state !== "open" && opened.state !== "dirty")
        throw new Error(`backend ${this.address} is in the invalid state ${opened.state}`);
      return opened;
    } catch (error) {
      await this.close().catch(() => undefined);
      throw withContext(`replica ${this.address} cannot be used`, error);
    }
  }

  /** Closes the replica, not the connection. */
  async close(): Promise<void> {
    await this.call(`failed to close replica ${this.peer} from remote`, (calls, options) =>
      calls.replicaClose({}, options),
    );
  }

  /** The same for one that nobody waits for; then the connection ends as well. */
  closeInBackground(log: Logger): void {
    this.close()
      .catch((error: unknown) =>
        log.warn({ replica: this.address, reason: errorText(error) }, "replica could not be closed"),
      )
      .finally(() => this.disconnect());
  }

  disconnect(): void {
    this.#connection.close();
  }
}
