/** Another engine has the volume now. */
export class FencedError extends Error {
  override readonly name = "FencedError";
}
