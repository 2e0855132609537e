/** What somebody wants, and a rule does not allow. */

export class RuleError extends Error {
  override readonly name = "RuleError";
  /** `INVALID`: never allowed; `REFUSED`: not in the present state; `NOT_AVAILABLE`: not here, yet */
  constructor(
    readonly code: "INVALID" | "REFUSED" | "NOT_AVAILABLE",
    message: string,
  ) {
    super(message);
  }
}
