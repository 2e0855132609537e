/** Tells one of Longhorn's replicas that it is no copy any more. */
import type { Logger } from "pino";
import { withDeadline } from "../deadline.js";
import type { Slot } from "../slot.js";
import { MARK_MS } from "./limits.js";
import { isLonghorn } from "./longhorn-link.js";

/** @returns whether it is known to have taken it */
export async function markFailed(
  { link, address }: Pick<Slot, "link" | "address">,
  log: Logger,
): Promise<boolean> {
  if (!isLonghorn(link)) return false;
  try {
    await withDeadline(link.setRebuilding(true), MARK_MS);
    return true;
  } catch (err) {
    log.warn({ err, replica: address }, "replica could not be told that it failed");
    return false;
  }
}
