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
 * @throws {Error} what is under way does not end in time, or copies differ; then all goes on */
export async function holdAndRelease(
  attached: AttachedVolume,
  offered: Offered | null,
  log: Logger,
): Promise<Gift> {
  let unit: Buffer | null;
  try {
    unit = offered === null ? null : await withDeadline(offered.suspend(), HOLD_MS);
    await attached.hold(HOLD_MS);
    await refuseUnequal(attached);
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

/** Only this engine knows where copies differ after a write that failed, until another one has recorded itself. If that one dies before, and
 * this one goes on, nobody would compare them. */
async function refuseUnequal({ volume }: AttachedVolume): Promise<void> {
  if (volume.stats().differing === 0) return;
  await volume.resume();
  throw new Error("copies are being made equal after a write that failed: try again later");
}
