/** How an expansion can fail on a replica, and how that is told. Pure. */
import { RpcError } from "../../proto/rpc-error.js";

/** How a replica's expansion failed; as Longhorn names it. */
export type ExpansionFailureCode =
  | "ResultUnknown"
  | "FunctionFailedWithoutRollback"
  | "FunctionFailedRollbackSucceeded"
  | "FunctionFailedRollbackFailed";

export interface ExpansionFailure {
  code: ExpansionFailureCode;
  text: string;
}

const CODES: readonly string[] = [
  "ResultUnknown",
  "FunctionFailedWithoutRollback",
  "FunctionFailedRollbackSucceeded",
  "FunctionFailedRollbackFailed",
] satisfies ExpansionFailureCode[];

/** Reads the structured error that a replica sends as the text of an INTERNAL status. Whatever else it is, nobody knows
 * in which state the replica is. */
export function expansionFailure(error: unknown): ExpansionFailure {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof RpcError) {
    const parsed = structured(text.slice(Math.max(0, text.indexOf("{"))));
    if (parsed !== null) return parsed;
  }
  return { code: "ResultUnknown", text: `error: code = ResultUnknown, message = ${text}` };
}

function structured(json: string): ExpansionFailure | null {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { code, message, rollbackMessage } = value as Record<string, unknown>;
  if (typeof code !== "string" || !CODES.includes(code)) return null;
  const rollback = typeof rollbackMessage === "string" && rollbackMessage !== "" ? `, rollbackMessage: ${rollbackMessage}` : ""; // prettier-ignore
  const text = `error: code = ${code}, message = ${typeof message === "string" ? message : ""}${rollback}`;
  return { code: code as ExpansionFailureCode, text };
}

/** Whether the replica is as it was before. */
export function isUndone({ code }: ExpansionFailure): boolean {
  return code === "FunctionFailedWithoutRollback" || code === "FunctionFailedRollbackSucceeded";
}

/** What `lastExpansionError` says; "" when all succeeded.
 * @param failures by address
 * @param all whether no replica succeeded */
export function expansionErrorText(failures: ReadonlyMap<string, ExpansionFailure>, all: boolean): string {
  if (failures.size === 0) return "";
  const texts = [...failures].map(([address, { text }]) => `${address}: ${text}`).join("; ");
  return all
    ? `the expansion failed since all replica expansion failed: ${texts}`
    : `the expansion succeeded, but some replica expansion failed: ${texts}`;
}
