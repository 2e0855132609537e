/** gRPC calls that are answered by a stream, on `@grpc/grpc-js`: how one is followed, and how it is served. */
import {
  Client,
  credentials,
  type ClientReadableStream,
  type handleServerStreamingCall,
  type ServiceError,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import type { Codec } from "./codec.js";
import { RpcError } from "./rpc-error.js";

export interface ServerStreamMethod<Request, Reply> {
  path: string;
  requestStream: false;
  responseStream: true;
  requestSerialize: (message: Partial<Request>) => Buffer;
  requestDeserialize: (bytes: Buffer) => Request;
  responseSerialize: (message: Partial<Reply>) => Buffer;
  responseDeserialize: (bytes: Buffer) => Reply;
}

export function serverStreamMethod<Request, Reply>(
  path: string,
  request: Codec<Request>,
  reply: Codec<Reply>,
): ServerStreamMethod<Request, Reply> {
  return {
    path,
    requestStream: false,
    responseStream: true,
    requestSerialize: request.serialize,
    requestDeserialize: request.deserialize,
    responseSerialize: reply.serialize,
    responseDeserialize: reply.deserialize,
  };
}

// Methods of any messages.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type StreamService = Record<string, ServerStreamMethod<any, any>>;

/** What a handler of a stream has: messages go out as long as nobody has cancelled it. */
export interface Outgoing<Reply> {
  /** @returns false when the receiver is behind by more than gRPC keeps back: a handler may end the stream then */
  send: (message: Partial<Reply>) => boolean;
  /** aborted when the caller has gone, or the stream has ended */
  signal: AbortSignal;
}

/** A service as its server implements it: a stream ends when its handler's promise does. */
export type StreamHandlers<S extends StreamService> = {
  [K in keyof S]: S[K] extends ServerStreamMethod<infer Request, infer Reply>
    ? (request: Request, out: Outgoing<Reply>) => Promise<void>
    : never;
};

/** For `Server.addService(service, ...)`. An error without a status of its own becomes UNKNOWN. */
export function streamHandlers<S extends StreamService>(
  service: S,
  handlers: StreamHandlers<S>,
): UntypedServiceImplementation {
  const implementation: UntypedServiceImplementation = {};
  for (const name of Object.keys(service)) {
    const handler = handlers[name] as (request: unknown, out: Outgoing<unknown>) => Promise<void>;
    const handle: handleServerStreamingCall<unknown, unknown> = (call) => {
      const gone = new AbortController();
      call.on("cancelled", () => gone.abort());
      call.on("error", () => gone.abort());
      const out: Outgoing<unknown> = {
        send: (message) => gone.signal.aborted || call.write(message),
        signal: gone.signal,
      };
      // Without this a caller hears nothing before the first message.
      call.sendMetadata(call.metadata.clone());
      Promise.resolve()
        .then(() => handler(call.request, out))
        .then(
          () => call.end(),
          // How grpc-js is told a status.
          (error: unknown) => call.emit("error", statusOf(error)),
        )
        .finally(() => gone.abort());
    };
    implementation[name] = handle;
  }
  return implementation;
}

function statusOf(error: unknown): Error & { code: status; details: string } {
  const details = error instanceof Error ? error.message : String(error);
  return Object.assign(new Error(details), {
    code: error instanceof RpcError ? error.code : status.UNKNOWN,
    details,
  });
}

/** Resolves when the caller has gone. */
export function untilGone(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

export interface Following {
  /** why it ended: null when the server ended it in order, or `close` did */
  ended: Promise<RpcError | null>;
  close(): void;
}

/** Follows a stream on a connection of its own.
 * @param onMessage called with each message as it comes
 * @param keepaliveMs after this time of silence the far end is asked whether it is there, and has as long to answer; absent:
 *   a far end that is cut off goes unnoticed */
export function follow<Request, Reply>(
  method: ServerStreamMethod<Request, Reply>,
  address: string,
  request: Partial<Request>,
  onMessage: (message: Reply) => void,
  keepaliveMs?: number,
): Following {
  const keepalive =
    keepaliveMs === undefined
      ? {}
      : { "grpc.keepalive_time_ms": keepaliveMs, "grpc.keepalive_timeout_ms": keepaliveMs };
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    ...keepalive,
  });
  const call: ClientReadableStream<Reply> = client.makeServerStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    request,
  );
  let closing = false;
  const ended = new Promise<RpcError | null>((resolve) => {
    call.on("data", onMessage);
    call.on("end", () => resolve(null));
    call.on("error", (error: ServiceError) =>
      resolve(closing ? null : new RpcError(error.code, error.details, { cause: error })),
    );
  }).finally(() => client.close());
  const close = () => {
    closing = true;
    call.cancel();
  };
  return { ended, close };
}
