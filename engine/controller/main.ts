/** The process behind `longhorn controller`: a volume driven over gRPC until a signal. */
import type { Logger } from "pino";
import { STOP_TIMEOUT_MS } from "../limits.js";
import { Controller } from "./controller.js";
import type { ControllerOptions } from "./options.js";
import { serveController, type ControllerServer } from "./server.js";

/** Serves until `stop` is aborted or another engine has taken over.
 * @param version our own
 * @throws {NoBackendError | Error} when the volume cannot be started with the replicas given, or the port not be used */
export async function runController(
  options: ControllerOptions,
  version: string,
  stop: AbortSignal,
  log: Logger,
): Promise<void> {
  let fence: (reason: string) => void = () => undefined;
  const fenced = new Promise<string>((resolve) => (fence = resolve));
  const stopped = new Promise<null>((resolve) => {
    if (stop.aborted) resolve(null);
    else stop.addEventListener("abort", () => resolve(null));
  });
  const controller = new Controller(options, fence, log);
  let server: ControllerServer | null = null;
  try {
    // With its frontend up before anybody can ask.
    await controller.start(options.replicas, options.size, options.currentSize);
    server = await serveController(controller, options.listen, version);
    log.info({ address: server.address }, "controller serves");
    const reason = await Promise.race([stopped, fenced]);
    if (reason !== null) throw new Error(`another engine has taken over: ${reason}`);
    await inTime(controller.shutdown());
  } finally {
    controller.end();
    server?.close();
  }
}

async function inTime(shutdown: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not stopped after ${STOP_TIMEOUT_MS} ms`)), STOP_TIMEOUT_MS);
  });
  try {
    await Promise.race([shutdown, expired]);
  } finally {
    clearTimeout(timer);
  }
}
