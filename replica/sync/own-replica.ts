/** The replica whose sync agent this is, through its ReplicaService. */
import type { Identity } from "../../proto/identity.js";
import { ReplicaService, type PrepareRemoveAction, type Replica } from "../../proto/longhorn.js";
import { withContext } from "../../proto/rpc-error.js";
import { unaryClient, type CallOptions, type Calls } from "../../proto/unary.js";
import { CALL_TIMEOUT_MS } from "./limits.js";

type ReplicaCalls = Calls<typeof ReplicaService>;

export class OwnReplica {
  private readonly client: ReturnType<typeof unaryClient<typeof ReplicaService>>;

  /** @param address `host:port` */
  constructor(
    readonly address: string,
    identity: Identity,
  ) {
    this.client = unaryClient(ReplicaService, address, identity);
  }

  async get(): Promise<Replica> {
    const { replica } = await this.call("get replica", (calls, options) => calls.replicaGet({}, options));
    if (replica === null) throw new Error(`failed to get replica ${this.address}: it says nothing`);
    return replica;
  }

  reload(): Promise<unknown> {
    return this.call("reload replica", (calls, options) => calls.replicaReload({}, options));
  }

  /** @param created RFC 3339, seconds, UTC */
  revert(fileName: string, created: string): Promise<unknown> {
    return this.call("revert replica", (calls, options) =>
      calls.replicaRevert({ name: fileName, created }, options),
    );
  }

  markRemoved(name: string): Promise<unknown> {
    return this.call("mark a disk as removed on replica", (calls, options) =>
      calls.diskMarkAsRemoved({ name }, options),
    );
  }

  async prepareRemove(name: string): Promise<PrepareRemoveAction[]> {
    const { operations } = await this.call("prepare removing a disk of replica", (calls, options) =>
      calls.diskPrepareRemove({ name }, options),
    );
    return operations;
  }

  remove(name: string): Promise<unknown> {
    return this.call("remove a disk of replica", (calls, options) =>
      calls.diskRemove({ name, force: false }, options),
    );
  }

  replace(target: string, source: string): Promise<unknown> {
    return this.call("replace a disk of replica", (calls, options) =>
      calls.diskReplace({ target, source }, options),
    );
  }

  close(): void {
    this.client.close();
  }

  private async call<T>(
    doing: string,
    run: (calls: ReplicaCalls, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    try {
      return await run(this.client.calls, { timeoutMs: CALL_TIMEOUT_MS });
    } catch (error) {
      throw withContext(`failed to ${doing} ${this.address}`, error);
    }
  }
}
