/** The messages of a stream of the API. */
import { WebSocket } from "ws";
import { RestError, unreachable, UnreachableError } from "./errors.js";
import { REPLY_BYTES_MAX, STREAM_OPEN_MS, STREAM_SILENCE_MS } from "./limits.js";

/** Each is a whole list, so only the newest one is kept for who is slow.
 * @throws {RestError} the server refuses
 * @throws {UnreachableError} it is not there, or not any more */
export async function* streamOf(
  url: string,
  collection: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  if (signal.aborted) return;
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/v1/ws/${collection}`, {
    headers,
    handshakeTimeout: STREAM_OPEN_MS,
    maxPayload: REPLY_BYTES_MAX,
  });
  const seen: { newest: string | null; failure: Error | null; isOver: boolean; isStopped: boolean } = {
    newest: null,
    failure: null,
    isOver: false,
    isStopped: false,
  };
  let wake = (): void => undefined;

  const silence = setTimeout(() => {
    seen.failure ??= new UnreachableError(url, `nothing was heard for ${STREAM_SILENCE_MS / 1000} s`);
    socket.terminate();
  }, STREAM_SILENCE_MS);
  const stop = () => {
    seen.isStopped = true;
    socket.terminate();
  };
  signal.addEventListener("abort", stop);
  socket.on("ping", () => silence.refresh());
  socket.on("message", (data: Buffer) => {
    silence.refresh();
    seen.newest = data.toString("utf8");
    wake();
  });
  socket.on("unexpected-response", (_, { statusCode = 0 }) => {
    seen.failure = new RestError(statusCode, statusCode === 401 ? "this API asks for a bearer token" : `no stream: status ${statusCode}`); // prettier-ignore
    socket.terminate();
  });
  socket.on("error", (error) => (seen.failure ??= unreachable(url, error)));
  socket.on("close", () => {
    seen.isOver = true;
    wake();
  });

  try {
    for (;;) {
      if (seen.isStopped) return;
      if (seen.newest !== null) {
        const text = seen.newest;
        seen.newest = null;
        yield text;
      } else if (seen.isOver) {
        throw seen.failure ?? new UnreachableError(url, "the stream was closed");
      } else {
        await new Promise<void>((resolve) => (wake = resolve));
      }
    }
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", stop);
    socket.terminate();
  }
}
