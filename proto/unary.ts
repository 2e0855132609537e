/** Unary gRPC as promises, on `@grpc/grpc-js`: calls of a client, handlers of a server. */
import {
  Client,
  credentials,
  status,
  type handleUnaryCall,
  type ServiceError,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { Codec } from "./codec.js";
import type { OpeningRequest } from "./control.js";
import { engineOf, nameEngine } from "./engine-metadata.js";
import { checkIdentity, identityMetadata, type Identity, type ServerIdentity } from "./identity.js";
import { RpcError } from "./rpc-error.js";

export { RpcError };

/** One method: messages may leave fields out when sent, and have all of them when received. */
export interface UnaryMethod<Request, Reply> {
  path: string;
  requestStream: false;
  responseStream: false;
  requestSerialize: (message: Partial<Request>) => Buffer;
  requestDeserialize: (bytes: Buffer) => Request;
  responseSerialize: (message: Partial<Reply>) => Buffer;
  responseDeserialize: (bytes: Buffer) => Reply;
}

export function unaryMethod<Request, Reply>(
  path: string,
  request: Codec<Request>,
  reply: Codec<Reply>,
): UnaryMethod<Request, Reply> {
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: request.serialize,
    requestDeserialize: request.deserialize,
    responseSerialize: reply.serialize,
    responseDeserialize: reply.deserialize,
  };
}

// A method of any messages; `never` would not accept the functions that take them.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type AnyMethod = UnaryMethod<any, any>;
export type Service = Record<string, AnyMethod>;

export interface CallOptions {
  /** the call fails with DEADLINE_EXCEEDED after this many milliseconds */
  timeoutMs: number;
  /** the engine of ours that makes the call; absent or null: it is none's, or whose it is does not matter */
  engine?: OpeningRequest | null;
}

/** A service as seen by its client. */
export type Calls<S extends Service> = {
  [K in keyof S]: S[K] extends UnaryMethod<infer Request, infer Reply>
    ? (request: Partial<Request>, options: CallOptions) => Promise<Reply>
    : never;
};

/** A service as its server implements it. */
export type Handlers<S extends Service> = {
  [K in keyof S]: S[K] extends UnaryMethod<infer Request, infer Reply>
    ? (request: Request, engine: OpeningRequest | null) => Promise<Partial<Reply>>
    : never;
};

/** Calls of `service` at `address` (`host:port`), cleartext. Nothing is connected before the first call.
 * @param identity whom the calls are meant for
 * @returns calls that reject with RpcError, and `close` */
export function unaryClient<S extends Service>(
  service: S,
  address: string,
  identity: Identity = {},
): { calls: Calls<S>; close: () => void } {
  // Own channel: a pooled one would keep another client's back-off after a refused connection.
  const client = new Client(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  const calls: Record<string, unknown> = {};
  for (const name of Object.keys(service)) calls[name] = callOf(client, service[name] as AnyMethod, identity);
  return { calls: calls as Calls<S>, close: () => client.close() };
}

function callOf<Request, Reply>(client: Client, method: UnaryMethod<Request, Reply>, identity: Identity) {
  return (request: Partial<Request>, options: CallOptions): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const metadata = identityMetadata(identity);
      if (options.engine) nameEngine(metadata, options.engine);
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadata,
        { deadline: Date.now() + options.timeoutMs },
        (error: ServiceError | null, reply?: Reply) => {
          if (error !== null) reject(new RpcError(error.code, inWords(error.details), { cause: error }));
          else if (reply === undefined) reject(new RpcError(status.INTERNAL, `${method.path} sent no reply`));
          else resolve(reply);
        },
      );
    });
}

/** Operating system errors as C spells them: whoever reads an error of gRPC looks for these words. */
const OS_ERRORS: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network is unreachable",
  ETIMEDOUT: "connection timed out",
};

function inWords(details: string): string {
  // HTTP/2's word for an answer that is none of its frames says too little to whoever mistook a port.
  if (details.includes("Protocol error")) return `what listens there does not speak gRPC: ${details}`;
  const [, code = "", address = ""] = /\bconnect (E[A-Z]+) (\S+?)\.?(?:\s|$)/.exec(details) ?? [];
  const words = OS_ERRORS[code];
  if (words === undefined) return details;
  return `connection error: desc = "transport: Error while dialing: dial tcp ${address}: connect: ${words}"`;
}

/** Adapts promise handlers for `Server.addService(service, ...)`. An error without a status of its own becomes UNKNOWN.
 * @param identity refuses calls that are meant for somebody else; null: takes all
 * @param admit rejects when what an engine of ours asks for is not to be done; null: handlers see to that */
export function unaryHandlers<S extends Service>(
  service: S,
  handlers: Handlers<S>,
  identity: ServerIdentity | null = null,
  admit: ((engine: OpeningRequest) => Promise<void>) | null = null,
): UntypedServiceImplementation {
  const implementation: UntypedServiceImplementation = {};
  for (const name of Object.keys(service)) {
    const handler = handlers[name] as (request: unknown, engine: OpeningRequest | null) => Promise<unknown>;
    const handle: handleUnaryCall<unknown, unknown> = (call, callback) => {
      Promise.resolve(call)
        .then(async ({ request, metadata }) => {
          if (identity !== null) checkIdentity(metadata, identity);
          const engine = engineOf(metadata);
          if (engine !== null) await admit?.(engine);
          return handler(request, engine);
        })
        .then(
          (reply) => callback(null, reply),
          (error: unknown) => callback({ code: codeOf(error), details: textOf(error) }),
        );
    };
    implementation[name] = handle;
  }
  return implementation;
}

function codeOf(error: unknown): status {
  return error instanceof RpcError ? error.code : status.UNKNOWN;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
