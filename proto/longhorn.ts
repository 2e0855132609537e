/** Longhorn's gRPC contracts: messages as plain types, services for `unary.ts` and `@grpc/grpc-js`. */
export * from "./generated/ptypes-plain.js";
export * from "./generated/profilerrpc-plain.js";
