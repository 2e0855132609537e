/** Waiting for what others bring about. */
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { RpcError } from "../proto/rpc-error.js";
import { POLL_MS, WAIT_MS } from "./limits.js";

export interface Wait {
  timeoutMs?: number;
  pollMs?: number;
}

/** @param look gives what is waited for, or in words what is missing
 * @throws {RpcError} DEADLINE_EXCEEDED, with what is missing */
export async function waitFor<T>(
  look: () => Promise<{ done: T } | { missing: string }>,
  { timeoutMs = WAIT_MS, pollMs = POLL_MS }: Wait = {},
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if ("done" in seen) return seen.done;
    if (Date.now() > deadline)
      throw new RpcError(status.DEADLINE_EXCEEDED, `${seen.missing}, after ${timeoutMs / 1000} s`);
    await sleep(pollMs);
  }
}
