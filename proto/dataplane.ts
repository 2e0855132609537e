/** The messages of `dataplane.proto` as plain types, and the service definition for `@grpc/grpc-js`. */
import type { MethodDefinition } from "@grpc/grpc-js";
import { codec } from "./codec.js";
import { aurochs } from "./generated/dataplane.js";

const generated = aurochs.dataplane.v1;

export const PROTOCOL_VERSION = 1;

/** Path of the stream, for peers that do without grpc-js. */
export const CONNECT_PATH = "/aurochs.dataplane.v1.DataPlane/Connect";

export const Op = generated.Op;
export type Op = aurochs.dataplane.v1.Op;

export interface Hello {
  protocolVersion: number;
  volume: string;
  replicaId: string;
  engineId: string;
  generation: number;
}

export interface HelloReply {
  protocolVersion: number;
  /** bytes */
  size: number;
  maxRequests: number;
  /** bytes */
  maxPayload: number;
  /** bytes */
  maxPayloadInFlight: number;
}

/** bytes */
export interface Extent {
  offset: number;
  length: number;
}

export interface Request {
  id: number;
  op: Op;
  offset: number;
  length: number;
  fua: boolean;
  crc32c: number;
  mark: number;
  settled: number;
  hello: Hello | null;
  payload: Uint8Array;
}

export interface Response {
  id: number;
  /** a number of `status.ts`; a newer peer may send others */
  status: number;
  message: string;
  crc32c: number;
  hello: HelloReply | null;
  extents: Extent[];
  payload: Uint8Array;
}

export const requestCodec = codec<Request>(generated.Request);
export const responseCodec = codec<Response>(generated.Response);

const connect: MethodDefinition<Partial<Request>, Response> & MethodDefinition<Request, Partial<Response>> = {
  path: CONNECT_PATH,
  requestStream: true,
  responseStream: true,
  requestSerialize: requestCodec.serialize,
  requestDeserialize: requestCodec.deserialize,
  responseSerialize: responseCodec.serialize,
  responseDeserialize: responseCodec.deserialize,
};

export const DataPlane = { connect };
