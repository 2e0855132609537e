/** A volume as its engine's clients see it: the engine, and through its list the replicas and their sync agents. */
import type { Identity } from "../../proto/identity.js";
import { ReplicaMode, type ControllerReplica, type Replica, type Volume } from "../../proto/longhorn.js";
import {
  connectEngine,
  connectReplica,
  connectSyncAgent,
  using,
  type EngineConnection,
  type ReplicaConnection,
  type SyncAgentConnection,
} from "./connections.js";
import { QUERY_TIMEOUT_MS } from "./limits.js";

export interface ListedReplica {
  address: string;
  mode: "RW" | "WO" | "ERR";
}

const MODE_NAMES = new Map<number, ListedReplica["mode"]>([
  [ReplicaMode.RW, "RW"],
  [ReplicaMode.WO, "WO"],
  [ReplicaMode.ERR, "ERR"],
]);

/** What is known of the far end, apart from its address. */
export interface VolumeIdentity {
  volumeName: string;
  engineInstanceName: string;
}

export class VolumeClient {
  readonly engine: EngineConnection;

  constructor(
    url: string,
    readonly identity: VolumeIdentity,
  ) {
    const { volumeName, engineInstanceName } = identity;
    this.engine = connectEngine(url, { volumeName, instanceName: engineInstanceName });
  }

  close(): void {
    this.engine.close();
  }

  get(): Promise<Volume> {
    const { engine } = this;
    return engine.call(`failed to get volume ${engine.address}`, (calls, options) =>
      calls.volumeGet({}, options),
    );
  }

  async replicas(): Promise<ListedReplica[]> {
    const { engine } = this;
    const reply = await engine.call(
      `failed to list replicas for volume ${engine.address}`,
      (calls, options) => calls.replicaList({}, options),
    );
    return reply.replicas.map(listed);
  }

  /** @param instanceName "" when it is not known */
  withReplica<T>(
    address: string,
    use: (replica: ReplicaConnection) => Promise<T>,
    instanceName = "",
  ): Promise<T> {
    return using(connectReplica(address, this.replicaIdentity(instanceName)), use);
  }

  withSyncAgent<T>(
    address: string,
    use: (agent: SyncAgentConnection) => Promise<T>,
    instanceName = "",
  ): Promise<T> {
    return using(connectSyncAgent(address, this.replicaIdentity(instanceName)), use);
  }

  replica(address: string, instanceName = ""): Promise<Replica> {
    return this.withReplica(address, getReplica, instanceName);
  }

  replicaIdentity(instanceName: string): Identity {
    return { volumeName: this.identity.volumeName, instanceName };
  }
}

export async function getReplica(connection: ReplicaConnection): Promise<Replica> {
  const { replica } = await connection.call(
    `failed to get replica ${connection.address}`,
    (calls, options) => calls.replicaGet({}, options),
    QUERY_TIMEOUT_MS,
  );
  if (replica === null) throw new Error(`replica ${connection.address} says nothing about itself`);
  return replica;
}

function listed({ address, mode }: ControllerReplica): ListedReplica {
  const name = MODE_NAMES.get(mode);
  if (name === undefined) throw new Error(`replica ${address?.address ?? ""} has the unknown mode ${mode}`);
  return { address: address?.address ?? "", mode: name };
}
