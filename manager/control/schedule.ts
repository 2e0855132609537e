/** When what is done at set times is due. Pure. Times of cron expressions are UTC, as the controllers of Kubernetes have them. */
import { Cron } from "croner";
import { LOOK_PERIOD_MS } from "./limits.js";

/** However often it was due since: what a manager that slept has missed is done once.
 * @param since ms since 1970: the last look at the clock; later than now when the clock was set back
 * @param now ms since 1970 */
export function isDue(cron: string, since: number, now: number): boolean {
  const next = nextRun(cron, since);
  return next !== null && next <= now;
}

/** @returns ms since 1970 */
export function nextLook(cron: string, now: number): number {
  return Math.min(nextRun(cron, now) ?? Infinity, now + LOOK_PERIOD_MS);
}

/** @returns ms since 1970; null: never */
function nextRun(cron: string, after: number): number | null {
  return new Cron(cron, { timezone: "UTC", paused: true }).nextRun(new Date(after))?.getTime() ?? null;
}
