/** What failed, as a gRPC status. */
import { status } from "@grpc/grpc-js";
import { RpcError } from "../proto/rpc-error.js";
import { isTimeout } from "./host/commands.js";
import { RestError, UnreachableError } from "../rest-client/errors.js";

/** By the manager's HTTP status. */
const CODES = new Map<number, status>([
  [400, status.INVALID_ARGUMENT],
  [404, status.NOT_FOUND],
  [422, status.FAILED_PRECONDITION],
  [501, status.UNIMPLEMENTED],
  [503, status.UNAVAILABLE],
]);

export function rpcErrorOf(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new RpcError(codeOf(error), message, { cause: error });
}

function codeOf(error: unknown): status {
  if (error instanceof UnreachableError) return status.UNAVAILABLE;
  // Kubernetes takes what failed for not done, and never undoes it, unless it is told that this is not known.
  if (isTimeout(error)) return status.ABORTED;
  return (error instanceof RestError ? CODES.get(error.status) : undefined) ?? status.INTERNAL;
}

export function invalid(message: string): RpcError {
  return new RpcError(status.INVALID_ARGUMENT, message);
}

export function notFound(message: string): RpcError {
  return new RpcError(status.NOT_FOUND, message);
}

/** It may be asked for again in a moment. */
export function notNow(message: string): RpcError {
  return new RpcError(status.ABORTED, message);
}

export function refused(message: string): RpcError {
  return new RpcError(status.FAILED_PRECONDITION, message);
}
