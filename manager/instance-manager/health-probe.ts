/** Whether a process serves, by gRPC's health service on its first port. */
import { setTimeout as sleep } from "node:timers/promises";
import { Health, SERVING_STATUS } from "../../proto/health.js";
import { unaryClient } from "../../proto/unary.js";
import { HEALTH_ATTEMPTS_MAX, HEALTH_POLL_MS, HEALTH_TIMEOUT_MS } from "./limits.js";

const SERVING: number = SERVING_STATUS.SERVING;

/** @param address `host:port`, or `unix:PATH` */
export async function isHealthy(address: string): Promise<boolean> {
  const { calls, close } = unaryClient(Health, address);
  try {
    const { status } = await calls.check({ service: "" }, { timeoutMs: HEALTH_TIMEOUT_MS });
    return status === SERVING;
  } catch {
    return false;
  } finally {
    close();
  }
}

/** @param signal aborted when nobody wants to know any more
 * @returns whether it serves: false after all attempts, or when the signal was aborted */
export async function becomesHealthy(address: string, signal: AbortSignal): Promise<boolean> {
  for (let attempt = 0; attempt < HEALTH_ATTEMPTS_MAX && !signal.aborted; attempt++) {
    if (attempt > 0) await sleep(HEALTH_POLL_MS);
    if (await isHealthy(address)) return true;
  }
  return false;
}

const EVERYWHERE = ["", "0.0.0.0", "[::]", "localhost"];

/** Where the first port of an instance is reached from this machine: its argument may name an address. */
export function probeAddress(portArgs: readonly string[], port: number): string {
  const host = /(?:^|,)([^,]*):$/.exec(portArgs[0] ?? "")?.[1] ?? "";
  return `${EVERYWHERE.includes(host) ? "127.0.0.1" : host}:${port}`;
}
