/**
 * Errors of calls, and their texts in Longhorn's words: others match on parts of them.
 *
 * An error that passes through several processes keeps the code of the innermost call, and each process puts what it was
 * doing in front: `failed to get replica A info from remote: rpc error: code = FailedPrecondition desc = ...`.
 */
import type { status } from "@grpc/grpc-js";

/** By code, as gRPC's Go implementation spells them. */
const CODE_NAMES = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
] as const;

/** What a handler throws to answer with a gRPC status other than UNKNOWN, and what a call rejects with. */
export class RpcError extends Error {
  override readonly name: string = "RpcError";
  /** @param code a number of `status` of grpc-js, e.g. FAILED_PRECONDITION (9) */
  constructor(
    readonly code: status,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** the whole error in one line, code included */
  get text(): string {
    return `rpc error: code = ${CODE_NAMES[this.code]} desc = ${this.message}`;
  }
}

/** A failed call as its caller reports it: its code, and a message that has the call's text in it. */
class NestedRpcError extends RpcError {
  override readonly name = "NestedRpcError";
  override get text(): string {
    return this.message;
  }
}

/** What went wrong in one line: of a failed call with its code. */
export function errorText(error: unknown): string {
  if (error instanceof RpcError) return error.text;
  return error instanceof Error ? error.message : String(error);
}

/** The one that was called could not be reached: it may be fine. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof RpcError && CODE_NAMES[error.code] === "Unavailable";
}

/** It did not answer in time. */
export function isExpired(error: unknown): boolean {
  return error instanceof RpcError && CODE_NAMES[error.code] === "DeadlineExceeded";
}

/** Whoever was called may have done what it was asked, or be about to: no answer of its own came. */
export function isUnanswered(error: unknown): boolean {
  const silent: readonly string[] = ["Canceled", "DeadlineExceeded", "Unavailable"];
  return !(error instanceof RpcError) || silent.includes(CODE_NAMES[error.code]);
}

/** It will not do what it was asked: it would be wrong, or is not allowed as things are. */
export function isRefusal(error: unknown): error is RpcError {
  const refusals: readonly string[] = ["InvalidArgument", "FailedPrecondition", "Aborted"];
  return error instanceof RpcError && refusals.includes(CODE_NAMES[error.code]);
}

/** The error with what was being done in front; the code of a failed call is kept. */
export function withContext(context: string, error: unknown): Error {
  const message = `${context}: ${errorText(error)}`;
  const options = { cause: error };
  return error instanceof RpcError
    ? new NestedRpcError(error.code, message, options)
    : new Error(message, options);
}

/** The peer does not serve that call. */
export function isUnimplemented(error: unknown): boolean {
  return error instanceof RpcError && CODE_NAMES[error.code] === "Unimplemented";
}
