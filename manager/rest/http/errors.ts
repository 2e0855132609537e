/** What is wrong with a request, and the status that says so. */
import { STATUS_CODES } from "node:http";
import { InvalidObject } from "../../objects/check.js";
import { InvalidSetting } from "../../settings/settings.js";
import { StoreError } from "../../store/store.js";
import { OperationError } from "../../operations.js";
import { InvalidInput } from "../schemas/input.js";
import { RuleError } from "../../rule-error.js";

/** Longhorn answers 500 to all but a missing object. Its clients tell 404 from the rest, read the message, and repeat what got
 * a 409 for ever: so 409 is never sent, and the rest may be more precise. */
const STATUSES = {
  /** the request itself is wrong, whatever the state */
  INVALID: 400,
  UNAUTHORIZED: 401,
  MISSING: 404,
  TOO_LARGE: 413,
  /** a right request that the present state does not allow */
  REFUSED: 422,
  FAILED: 500,
  NOT_AVAILABLE: 501,
  UNAVAILABLE: 503,
} as const;

export type ApiErrorCode = keyof typeof STATUSES;

export class ApiError extends Error {
  override readonly name = "ApiError";
  constructor(
    readonly code: ApiErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export function missing(what: string, name: string): ApiError {
  return new ApiError("MISSING", `${what} ${name} is not found`);
}

export function notAvailable(what: string): ApiError {
  return new ApiError("NOT_AVAILABLE", `not available yet: ${what}`);
}

const STORE_CODES = {
  CONFLICT: "UNAVAILABLE",
  EXISTS: "REFUSED",
  MISSING: "MISSING",
  INVALID: "INVALID",
  CLOSED: "UNAVAILABLE",
} as const satisfies Record<StoreError["code"], ApiErrorCode>;

const OPERATION_CODES = {
  REFUSED: "REFUSED",
  MISSING: "MISSING",
  UNREACHABLE: "UNAVAILABLE",
  FAILED: "FAILED",
} as const satisfies Record<OperationError["code"], ApiErrorCode>;

const INPUT_ERRORS = [InvalidInput, InvalidSetting, InvalidObject];

/** Errors from below, as clients are told them. One that nobody expected says only that: its text may tell of the inside. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const options = { cause: error };
  if (error instanceof RuleError) return new ApiError(error.code, error.message, options);
  if (error instanceof StoreError) return new ApiError(STORE_CODES[error.code], error.message, options);
  if (error instanceof OperationError)
    return new ApiError(OPERATION_CODES[error.code], error.message, options);
  if (INPUT_ERRORS.some((type) => error instanceof type))
    return new ApiError("INVALID", (error as Error).message, options);
  return new ApiError("FAILED", "something went wrong inside; the log says what", options);
}

/** The body of an error reply. */
export function errorEnvelope({ code, message }: ApiError): object {
  const status = STATUSES[code];
  return {
    type: "error",
    links: {},
    actions: {},
    status,
    code: STATUS_CODES[status] ?? "",
    message,
    detail: "",
  };
}

export function statusOf({ code }: ApiError): number {
  return STATUSES[code];
}
