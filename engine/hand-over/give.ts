/** What every engine does to give its volume away. */
import type { Logger } from "pino";
import type { AttachedVolume } from "../attached-volume.js";
import { withDeadline } from "../deadline.js";
import { HOLD_MS, RELEASE_MS } from "./limits.js";
import type { Gift } from "./offer.js";

/** What initiators log in to. */
export interface Offered {
  suspend: () => Promise<Buffer | null>;
  resume: () => void;
}

/** Holds all I/O and lets the replicas go; connections of initiators stay, and get no answer.
 * @param offered null when nobody can log in
 * @throws {Error} what is under way does not end in time; then all goes on */
export async function holdAndRelease(
  attached: AttachedVolume,
  offered: Offered | null,
  log: Logger,
): Promise<Gift> {
  let unit: Buffer | null;
  try {
    unit = offered === null ? null : await withDeadline(offered.suspend(), HOLD_MS);
    await attached.hold(HOLD_MS);
  } catch (error) {
    offered?.resume();
    throw error;
  }
  // Whatever could not be made durable and equal now is compared by the next engine.
  await withDeadline(attached.release(), RELEASE_MS).catch((err: unknown) =>
    log.warn({ err }, "replicas could not be released"),
  );
  return { unit, generation: attached.replicas.generation };
}
