/** Waiting for a set-up to serve. */
import { createServer } from "node:net";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { START_MS_MAX } from "../limits.js";

const POLL_MS = 50;

/**
 * Tries until `attempt` gives something.
 * @throws {Error} what `attempt` throws; after START_MS_MAX that `what` is not ready
 */
export async function waitFor<T>(
  what: string,
  signal: AbortSignal,
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  const end = Date.now() + START_MS_MAX;
  for (;;) {
    signal.throwIfAborted();
    const found = await attempt();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`${what} was not ready after ${START_MS_MAX / 1000} seconds`);
    await sleep(POLL_MS);
  }
}

/** A TCP port on 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("a TCP server without a port");
  return address.port;
}
