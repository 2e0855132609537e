/** None of the replicas given can be used. */
export class NoBackendError extends Error {
  override readonly name = "NoBackendError";
  /** @param unreachable at least one could not be asked: it may be fine */
  constructor(
    readonly unreachable: boolean,
    addresses: readonly string[],
  ) {
    const cause = unreachable ? "service unavailable" : "replica error";
    super(`no available backend due to ${cause} from the addresses [${addresses.join(" ")}]`);
  }
}
