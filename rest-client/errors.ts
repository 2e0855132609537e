/** How a call can fail. */

/** The manager has answered, and refuses. */
export class RestError extends Error {
  override readonly name = "RestError";
  constructor(
    /** of HTTP: 404 when what is asked for is not there, 422 when the present state does not allow it, 503 for a while */
    readonly status: number,
    /** the server's own words */
    message: string,
  ) {
    super(message);
  }
}

/** There is no answer, or none of a manager. Whether a change was made is not known. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
  constructor(
    readonly url: string,
    /** "connection refused", say */
    readonly why: string,
    options?: ErrorOptions,
  ) {
    super(`no answer from the manager at ${url}: ${why}`, options);
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was closed",
  EHOSTUNREACH: "no route to that host",
  ENETUNREACH: "no route to that network",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the host's name cannot be resolved now",
  ETIMEDOUT: "no answer in time",
};

export function unreachable(url: string, error: unknown): UnreachableError {
  // A name with several addresses fails with an error for each of them.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const { code = "", message } = first as NodeJS.ErrnoException;
  return new UnreachableError(url, WORDS[code] ?? message, { cause: error });
}
