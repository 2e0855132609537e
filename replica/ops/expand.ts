/** Expansion: a snapshot whose new head is longer. Its errors say whether all is as before, in Longhorn's codes. */
import type { ReplicaDirectory } from "../directory.js";
import { ReplicaError } from "../replica-error.js";
import { checkSnapshot, SnapshotError, type SnapshotRequest } from "./snapshot.js";

/** Expanded sizes are multiples of Longhorn's internal sector, bytes. */
const EXPANSION_UNIT_BYTES = 4096;

const EXPANSION_LABEL = "replica-expansion";

/** @param size bytes
 * @param created RFC 3339, seconds, UTC
 * @returns null when the size is the present one
 * @throws {ReplicaError} `REFUSED` */
export function expansion(
  directory: ReplicaDirectory,
  size: number,
  created: string,
  countMax: number,
): SnapshotRequest | null {
  const refuse = (text: string) => new ReplicaError("REFUSED", text);
  if (size % EXPANSION_UNIT_BYTES !== 0 || !Number.isSafeInteger(size)) {
    throw refuse(`failed to expand volume replica size ${size}, because it is not multiple of volume sector size ${EXPANSION_UNIT_BYTES}`); // prettier-ignore
  }
  if (size < directory.meta.size) throw refuse(`cannot expand replica to a smaller size ${size}`);
  if (size === directory.meta.size) return null;
  const labels = { [EXPANSION_LABEL]: String(size) };
  const request = { name: `expand-${size}`, userCreated: false, created, labels, size };
  checkSnapshot(directory, request, countMax);
  return request;
}

export interface StructuredError {
  code:
    | "ResultUnknown"
    | "FunctionFailedWithoutRollback"
    | "FunctionFailedRollbackSucceeded"
    | "FunctionFailedRollbackFailed";
  message: string;
  rollbackMessage: string;
}

/** What an expansion that failed with `error` answers. */
export function structuredError(error: unknown): StructuredError {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof SnapshotError) {
    const { reason, undoing } = error;
    if (undoing === null)
      return { code: "FunctionFailedRollbackSucceeded", message: reason.message, rollbackMessage: "" };
    return {
      code: "FunctionFailedRollbackFailed",
      message: reason.message,
      rollbackMessage: undoing.message,
    };
  }
  if (error instanceof ReplicaError && error.code === "UNCERTAIN")
    return { code: "ResultUnknown", message, rollbackMessage: "" };
  return { code: "FunctionFailedWithoutRollback", message, rollbackMessage: "" };
}
