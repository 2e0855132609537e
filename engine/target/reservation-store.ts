/** Reservations as they are kept on the replicas: JSON, version 1, at most `SAVED_RESERVATION_BYTES_MAX`. */
import { REGISTRATIONS_MAX, SAVED_RESERVATION_BYTES_MAX } from "./limits.js";
import { isReservationType, NO_RESERVATIONS, TYPE_RULES, type Reservation, type ReservationState } from "./reservations.js"; // prettier-ignore

/** Saved reservations that cannot be read. They fence writers, so nobody may go on without them. */
export class SavedReservationsError extends Error {
  override readonly name = "SavedReservationsError";
}

const KEY = /^[0-9a-f]{1,16}$/;

export function encodeReservations(state: ReservationState): Buffer {
  const registrations = [...state.registrations].map(([port, key]) => ({ port, key: key.toString(16) }));
  const { generation, persistent, reservation } = state;
  return Buffer.from(JSON.stringify({ version: 1, generation, persistent, registrations, reservation }));
}

/** The state after a start: a state that was not to persist through power loss begins anew.
 * @param bytes null: nothing was ever saved
 * @throws {SavedReservationsError} */
export function decodeReservations(bytes: Uint8Array | null): ReservationState {
  if (bytes === null || bytes.length === 0) return NO_RESERVATIONS;
  const state = decodeAllReservations(bytes);
  return state.persistent ? state : NO_RESERVATIONS;
}

/** The state as it was encoded, also one that is not to persist through power loss.
 * @throws {SavedReservationsError} */
export function decodeAllReservations(bytes: Uint8Array): ReservationState {
  if (bytes.length > SAVED_RESERVATION_BYTES_MAX)
    throw new SavedReservationsError(
      `saved reservations are longer than ${SAVED_RESERVATION_BYTES_MAX} bytes`,
    );
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
  } catch (cause) {
    throw new SavedReservationsError("saved reservations are not JSON", { cause });
  }
  const saved = json as Partial<Record<string, unknown>> | null;
  if (typeof saved !== "object" || saved === null || saved["version"] !== 1)
    throw new SavedReservationsError("saved reservations are of an unknown version");
  const generation = saved["generation"];
  if (
    typeof generation !== "number" ||
    !Number.isInteger(generation) ||
    generation < 0 ||
    generation > 0xffff_ffff
  )
    throw new SavedReservationsError("saved reservations have no valid generation");
  const { persistent } = saved;
  if (typeof persistent !== "boolean")
    throw new SavedReservationsError("saved reservations do not say whether they persist");
  const registrations = decodeRegistrations(saved["registrations"]);
  const reservation = decodeReservation(saved["reservation"], registrations);
  return { generation, persistent, registrations, reservation };
}

function decodeRegistrations(saved: unknown): Map<string, bigint> {
  if (!Array.isArray(saved) || saved.length > REGISTRATIONS_MAX)
    throw new SavedReservationsError("saved reservations have no valid list of registrations");
  const registrations = new Map<string, bigint>();
  for (const item of saved as unknown[]) {
    const { port, key } = (item ?? {}) as { port?: unknown; key?: unknown };
    if (typeof port !== "string" || typeof key !== "string" || !KEY.test(key) || registrations.has(port))
      throw new SavedReservationsError("a saved registration is damaged");
    registrations.set(port, BigInt(`0x${key}`));
  }
  return registrations;
}

function decodeReservation(saved: unknown, registrations: ReadonlyMap<string, bigint>): Reservation | null {
  if (saved === null) return null;
  const { type, holder } = (saved ?? {}) as { type?: unknown; holder?: unknown };
  if (typeof type === "number" && isReservationType(type)) {
    if (TYPE_RULES[type].all && holder === null && registrations.size > 0) return { type, holder };
    if (!TYPE_RULES[type].all && typeof holder === "string" && registrations.has(holder))
      return { type, holder };
  }
  throw new SavedReservationsError("the saved reservation is damaged");
}
