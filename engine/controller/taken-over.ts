/** Another engine has the volume now. */
export class TakenOverError extends Error {
  override readonly name = "TakenOverError";
}
