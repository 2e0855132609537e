/** A failure with an exit code of its own. */
export class ExitError extends Error {
  override readonly name = "ExitError";
  constructor(
    readonly exitCode: number,
    message: string,
  ) {
    super(message);
  }
}
