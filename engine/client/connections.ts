/** Connections to an engine, a replica and a replica's sync agent over Longhorn's gRPC. Errors say what was tried. */
import type { OpeningRequest } from "../../proto/control.js";
import { EngineMembers } from "../../proto/engine-watch.js";
import type { Identity } from "../../proto/identity.js";
import { ControllerService, Profiler, ReplicaService, SyncAgentService } from "../../proto/longhorn.js";
import { withContext } from "../../proto/rpc-error.js";
import { unaryClient, type CallOptions, type Calls, type Service } from "../../proto/unary.js";
import { grpcAddress, syncAgentAddress } from "./addresses.js";
import { CALL_TIMEOUT_MS } from "./limits.js";

export class Connection<S extends Service> {
  readonly #client: ReturnType<typeof unaryClient<S>>;

  /** @param address `host:port`
   * @param engine the engine of ours that calls, as the replica has recorded it; null: nobody that it would know */
  constructor(
    service: S,
    readonly address: string,
    identity: Identity,
    private readonly engine: () => OpeningRequest | null = () => null,
  ) {
    this.#client = unaryClient(service, address, identity);
  }

  /** @param doing what a failure is told with, such as "failed to get volume A"
   * @throws {Error} */
  async call<T>(
    doing: string,
    run: (calls: Calls<S>, options: CallOptions) => Promise<T>,
    timeoutMs = CALL_TIMEOUT_MS,
  ): Promise<T> {
    try {
      return await run(this.#client.calls, { timeoutMs, engine: this.engine() });
    } catch (error) {
      throw withContext(doing, error);
    }
  }

  close(): void {
    this.#client.close();
  }
}

export type EngineConnection = Connection<typeof ControllerService>;
export type ReplicaConnection = Connection<typeof ReplicaService>;
export type SyncAgentConnection = Connection<typeof SyncAgentService>;
export type ProfilerConnection = Connection<typeof Profiler>;

/** To an engine of ours. */
export function connectMembers(url: string, identity: Identity): Connection<typeof EngineMembers> {
  return new Connection(EngineMembers, grpcAddress(url), identity);
}

export function connectEngine(url: string, identity: Identity): EngineConnection {
  return new Connection(ControllerService, grpcAddress(url), identity);
}

/** @param engine see Connection */
export function connectReplica(
  url: string,
  identity: Identity,
  engine?: () => OpeningRequest | null,
): ReplicaConnection {
  return new Connection(ReplicaService, grpcAddress(url), identity, engine);
}

/** @param url of the replica: its sync agent's port follows from it
 * @param engine see Connection */
export function connectSyncAgent(
  url: string,
  identity: Identity,
  engine?: () => OpeningRequest | null,
): SyncAgentConnection {
  return new Connection(SyncAgentService, syncAgentAddress(url), identity, engine);
}

export function connectProfiler(url: string, identity: Identity): ProfilerConnection {
  return new Connection(Profiler, grpcAddress(url), identity);
}

/** Uses a connection and closes it. */
export async function using<C extends { close: () => void }, T>(
  connection: C,
  use: (connection: C) => Promise<T>,
): Promise<T> {
  try {
    return await use(connection);
  } finally {
    connection.close();
  }
}
