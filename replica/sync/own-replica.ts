/** The replica whose sync agent this is, through its control port. */
import { ReplicaControl, type MemberRecord, type OpeningRequest } from "../../proto/control.js";
import type { Identity } from "../../proto/identity.js";
import { ReplicaService, type PrepareRemoveAction, type Replica } from "../../proto/longhorn.js";
import { isUnavailable, withContext } from "../../proto/rpc-error.js";
import { unaryClient, type CallOptions, type Calls } from "../../proto/unary.js";
import { decideEngine, decideSameEngine } from "../decide.js";
import { accepted } from "../replica-decisions.js";
import { CALL_TIMEOUT_MS } from "./limits.js";

type ReplicaCalls = Calls<typeof ReplicaService>;

export class OwnReplica {
  private readonly client: ReturnType<typeof unaryClient<typeof ReplicaService>>;
  private readonly control: ReturnType<typeof unaryClient<typeof ReplicaControl>>;

  /** @param address `host:port` */
  constructor(
    readonly address: string,
    identity: Identity,
  ) {
    this.client = unaryClient(ReplicaService, address, identity);
    this.control = unaryClient(ReplicaControl, address);
  }

  /** @param engine of ours, that asks for something
   * @throws {RpcError} another one is recorded, or this one with another generation */
  async admit(engine: OpeningRequest): Promise<void> {
    accepted(decideEngine(await this.recorded(), engine));
  }

  /** The same of what it has begun.
   * @throws {RpcError} another engine has been recorded since */
  async stillAdmit(engine: OpeningRequest): Promise<void> {
    accepted(decideSameEngine(await this.recorded(), engine));
  }

  private async recorded(): Promise<{ member: MemberRecord | null }> {
    try {
      const { record } = await this.control.calls.recorded({}, { timeoutMs: CALL_TIMEOUT_MS });
      return { member: record };
    } catch (error) {
      throw withContext(`failed to ask replica ${this.address} which engine it has recorded`, error);
    }
  }

  async get(): Promise<Replica> {
    const { replica } = await this.call("get replica", (calls, options) => calls.replicaGet({}, options));
    if (replica === null) throw new Error(`failed to get replica ${this.address}: it says nothing`);
    return replica;
  }

  /** Those that it has open, of all branches; none while it is closed, or nobody runs it. */
  async openDisks(): Promise<Replica["disks"]> {
    try {
      return (await this.get()).disks;
    } catch (error) {
      if (isUnavailable(error)) return {};
      throw error;
    }
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
    this.control.close();
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
