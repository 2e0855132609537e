/** The life of a command that serves until a signal. */
import type { Logger } from "pino";
import { EXIT } from "../engine/exit-codes.js";
import { aborted, stopSignal } from "./signals.js";

/** Ends the process itself: what was begun (timers, calls under way, connections whose other end has vanished) keeps neither one that is
 * done nor one that cannot serve.
 * @param who as its last words name it
 * @param begin resolves when it serves, with what ends it in order */
export async function serve(
  log: Logger,
  who: string,
  begin: () => Promise<() => Promise<void>>,
): Promise<never> {
  const stop = stopSignal();
  try {
    const end = await begin();
    await aborted(stop);
    await end();
    process.exit(EXIT.OK.code);
  } catch (err) {
    log.fatal({ err }, `${who} cannot serve`);
    process.exit(EXIT.FAILED.code);
  }
}
