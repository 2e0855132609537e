/** The process behind `longhorn controller`: a volume driven over gRPC until a signal. */
import type { Logger } from "pino";
import { withDeadline } from "../deadline.js";
import { STOP_TIMEOUT_MS } from "../limits.js";
import { Controller } from "./controller.js";
import { ABANDON_TIMEOUT_MS } from "./limits.js";
import type { ControllerOptions } from "./options.js";
import { serveController, type ControllerServer } from "./server.js";

/** Serves until `stop` is aborted or another engine has taken over.
 * @param version our own
 * @throws {TakenOverError} another engine has taken over
 * @throws {NoBackendError | MembershipError | Error} when the volume cannot be started with the replicas given, or the port not be used */
export async function runController(
  options: ControllerOptions,
  version: string,
  stop: AbortSignal,
  log: Logger,
): Promise<void> {
  let end: (reason: Error) => void = () => undefined;
  const ended = new Promise<Error>((resolve) => (end = resolve));
  const stopped = new Promise<null>((resolve) => {
    if (stop.aborted) resolve(null);
    else stop.addEventListener("abort", () => resolve(null));
  });
  const controller = new Controller(options, end, log);
  let server: ControllerServer | null = null;
  try {
    // With its frontend up before anybody can ask.
    await controller.start(options.replicas, options.size, options.currentSize);
    server = await serveController(controller, options.listen, version);
    log.info({ address: server.address }, "controller serves");
    const reason = await Promise.race([stopped, ended]);
    if (reason !== null) {
      await withDeadline(controller.abandon(), ABANDON_TIMEOUT_MS).catch((err: unknown) =>
        log.warn({ err }, "something of the volume may be left on this machine"),
      );
      throw reason;
    }
    await withDeadline(controller.shutdown(), STOP_TIMEOUT_MS);
  } finally {
    controller.end();
    server?.close();
  }
}
