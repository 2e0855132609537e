/**
 * RESERVE and RELEASE, 6 and 10 (SPC-2), beside persistent reservations (SPC-5, "exceptions to SPC-2 RESERVE/RELEASE
 * behavior", CRH): whoever is admitted by a persistent reservation gets GOOD and nothing happens; others conflict.
 */
import { isHolder, TYPE_RULES, type ReservationState } from "./reservations.js";

export type LegacyOutcome =
  { type: "conflict" } | { type: "nothing" } | { type: "holder"; port: string | null };

export function reserveUnit(
  holder: string | null,
  port: string,
  persistent: ReservationState,
): LegacyOutcome {
  if (persistent.registrations.size > 0) return underPersistent(port, persistent);
  return holder === null || holder === port ? { type: "holder", port } : { type: "conflict" };
}

/** RELEASE by somebody who is not the holder does nothing. */
export function releaseUnit(
  holder: string | null,
  port: string,
  persistent: ReservationState,
): LegacyOutcome {
  if (persistent.registrations.size > 0) return underPersistent(port, persistent);
  return holder === port ? { type: "holder", port: null } : { type: "nothing" };
}

function underPersistent(port: string, persistent: ReservationState): LegacyOutcome {
  const { reservation, registrations } = persistent;
  const admitted =
    isHolder(persistent, port) ||
    (reservation !== null && TYPE_RULES[reservation.type].registrants && registrations.has(port));
  return admitted ? { type: "nothing" } : { type: "conflict" };
}
