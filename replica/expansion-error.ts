/** How a failed expansion is answered, to Longhorn's clients and to engines of ours. */
import { status } from "@grpc/grpc-js";
import { RpcError } from "../proto/unary.js";
import { structuredError } from "./ops/expand.js";

export function expansionError(error: unknown): RpcError {
  return new RpcError(status.INTERNAL, JSON.stringify(structuredError(error)), { cause: error });
}
