/** What a data stream works on, and how its operations fail. */
import type { Extent } from "./dataplane.js";
import type { WireStatus } from "./status.js";

/** How an operation failed; `DISCONNECTED` when the stream ended before the answer. */
export type StreamFailure = Exclude<WireStatus, "OK"> | "DISCONNECTED";

export class StreamError extends Error {
  override readonly name = "StreamError";
  constructor(
    readonly code: StreamFailure,
    message: string,
  ) {
    super(message);
  }
}

/** A replica's operations. Offsets and lengths are bytes inside the volume, multiples of 512; what is thrown is answered
 * with its `code`, or with IO_ERROR when it is no StreamError. */
export interface StreamBackend {
  /** bytes */
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  write(offset: number, data: Uint8Array, options: { fua: boolean }): Promise<void>;
  /** `mark` and `settled`: see `dataplane.proto` */
  flush(options: { mark: number; settled: number }): Promise<void>;
  unmap(offset: number, length: number, options: { fua: boolean }): Promise<void>;
  writeZeroes(offset: number, length: number, options: { fua: boolean }): Promise<void>;
  /** Allocated runs of the range, ascending, not touching. */
  extents(offset: number, length: number): Promise<Extent[]>;
}

/** Bounds of a stream, told to the engine in the answer to HELLO. */
export interface StreamLimits {
  maxRequests: number;
  /** bytes */
  maxPayload: number;
  /** bytes */
  maxPayloadInFlight: number;
}
