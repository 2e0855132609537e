/** The control connection to one replica: rare calls, each with a deadline. */
import { RpcError, type Calls } from "../proto/unary.js";
import {
  ReplicaControl,
  type ChangeRequest,
  type CommitSnapshotRequest,
  type EngineRequest,
  type InheritedRegionsReply,
  type MemberRecord,
  type OpeningRequest,
  type PrepareSnapshotRequest,
  type RecordBasis,
  type ReplicaFacts,
} from "../proto/control.js";
import { CONTROL_TIMEOUT_MS, IDENTIFY_TIMEOUT_MS, SYNC_TIMEOUT_MS } from "./limits.js";
import { PacedClient } from "./paced-client.js";

/** Another engine owns the replica: it stored a higher generation, or the same one of another engine. */
export class FencedError extends Error {
  override readonly name = "FencedError";
}

/** What changed at a replica; `since` 0: nothing is known. */
export interface MissedRegions extends InheritedRegionsReply {
  /** generation that it is complete from */
  since: number;
}

const GRPC_FAILED_PRECONDITION = 9;

export class ReplicaLink {
  readonly #client: PacedClient<typeof ReplicaControl>;

  /** @param address `host:port` of the control port; nothing is connected before the first call */
  constructor(readonly address: string) {
    this.#client = new PacedClient(ReplicaControl, address);
  }

  /** It is there, and lost with the next one of what keeps it: a witness one of whose voters is away. */
  get isBare(): boolean {
    return false;
  }

  identify(): Promise<ReplicaFacts> {
    return this.#call((calls) => calls.identify({}, { timeoutMs: IDENTIFY_TIMEOUT_MS }));
  }

  /** The same of a replica that may never have been told its volume, as Longhorn's: then it is the caller's, which is about
   * to record itself there. */
  async identifyFor(volume: string): Promise<ReplicaFacts> {
    const facts = await this.identify();
    return facts.volume === "" ? { ...facts, volume } : facts;
  }

  /** What is stored there, whoever has the directory open; null when no engine of ours ever was. */
  async recorded(): Promise<MemberRecord | null> {
    const { record } = await this.#call((calls) => calls.recorded({}, { timeoutMs: IDENTIFY_TIMEOUT_MS }));
    return record;
  }

  /** @param basis what the replica has stored when it stores this
   * @throws {FencedError} */
  async record(volume: string, replicaId: string, record: MemberRecord, basis: RecordBasis): Promise<void> {
    const request = { volume, replicaId, record, basis };
    await this.#fenced(this.#call((calls) => calls.record(request, { timeoutMs: CONTROL_TIMEOUT_MS })));
  }

  /** @throws {FencedError} */
  async inheritedRegions(engine: EngineRequest): Promise<InheritedRegionsReply> {
    const call = this.#call((calls) => calls.inheritedRegions(engine, { timeoutMs: CONTROL_TIMEOUT_MS }));
    const reply = await this.#fenced(call);
    if (reply.regionSize <= 0)
      throw new Error(`replica ${this.address} has regions of ${reply.regionSize} bytes`);
    return reply;
  }

  /** All of the bitmap, although one reply holds a part of it.
   * @throws {FencedError} */
  async missedRegions(engine: EngineRequest): Promise<MissedRegions> {
    const parts: Uint8Array[] = [];
    for (let skip = 0; ;) {
      const request = { ...engine, skip };
      const call = this.#call((calls) => calls.missedRegions(request, { timeoutMs: CONTROL_TIMEOUT_MS }));
      const { since, grainSize, bitmapSize, bitmap } = await this.#fenced(call);
      parts.push(bitmap);
      skip += bitmap.length;
      if (skip >= bitmapSize) return { since, regionSize: grainSize, bitmap: Buffer.concat(parts) };
      if (bitmap.length === 0)
        throw new Error(`replica ${this.address} told ${skip} of ${bitmapSize} bytes of what it keeps`);
    }
  }

  /** @throws {FencedError} */
  async agreed(engine: OpeningRequest): Promise<void> {
    await this.#fenced(this.#call((calls) => calls.agreed(engine, { timeoutMs: SYNC_TIMEOUT_MS })));
  }

  /** Everything of a snapshot that takes time; it is undone unless it is committed soon. @throws {FencedError} */
  async prepareSnapshot(request: PrepareSnapshotRequest): Promise<void> {
    await this.#fenced(this.#call((calls) => calls.prepareSnapshot(request, { timeoutMs: SYNC_TIMEOUT_MS })));
  }

  /** While nothing is written. @throws {FencedError} */
  async commitSnapshot(request: CommitSnapshotRequest, timeoutMs: number): Promise<void> {
    await this.#fenced(this.#call((calls) => calls.commitSnapshot(request, { timeoutMs })));
  }

  /** @throws {FencedError} */
  async abandonSnapshot(request: ChangeRequest): Promise<void> {
    await this.#fenced(
      this.#call((calls) => calls.abandonSnapshot(request, { timeoutMs: CONTROL_TIMEOUT_MS })),
    );
  }

  /** @throws {FencedError} */
  async release(engine: OpeningRequest): Promise<void> {
    await this.#fenced(this.#call((calls) => calls.release(engine, { timeoutMs: SYNC_TIMEOUT_MS })));
  }

  close(): void {
    this.#client.close();
  }

  #call<T>(call: (calls: Calls<typeof ReplicaControl>) => Promise<T>): Promise<T> {
    return this.#client.call(call);
  }

  #fenced<T>(call: Promise<T>): Promise<T> {
    return asFenced(`replica ${this.address}`, call);
  }
}

/** @param who is asked
 * @throws {FencedError} where the call was refused for another engine */
export async function asFenced<T>(who: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof RpcError && (error.code as number) === GRPC_FAILED_PRECONDITION)
      throw new FencedError(`${who}: ${error.message}`, { cause: error });
    throw error;
  }
}
