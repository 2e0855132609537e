/** The two ends of a data stream as the contract sees them: opened the same way, whatever they are written in. */
import type { Hello } from "../../native/index.js";
import type { StreamLimits } from "../../proto/stream-backend.js";

export const LIMITS: StreamLimits = { maxRequests: 64, maxPayload: 1 << 20, maxPayloadInFlight: 4 << 20 };

/** Who the replica under test is. */
export const HELLO: Hello = {
  volume: "contract",
  replicaId: "replica-1",
  engineId: "engine-1",
  generation: 7,
};

export interface ContractServer {
  port: number;
  close(): Promise<void>;
}

/** Operations reject with an error whose `code` is a status name. */
export interface ContractClient {
  readonly hello: StreamLimits & { size: number };
  read(offset: number, length: number): Promise<Buffer>;
  write(offset: number, data: Uint8Array, options?: { fua?: boolean }): Promise<void>;
  flush(): Promise<void>;
  unmap(offset: number, length: number): Promise<void>;
  writeZeroes(offset: number, length: number): Promise<void>;
  /** `[offset, length, ...]` */
  extents(offset: number, length: number): Promise<number[]>;
  close(): Promise<void>;
}

export interface ServerKind {
  name: string;
  /** A replica of `size` bytes, all zeros, that is HELLO's. */
  open(size: number): Promise<ContractServer>;
}

export interface ClientKind {
  name: string;
  connect(port: number, hello: Hello, volumeSize: number): Promise<ContractClient>;
}
