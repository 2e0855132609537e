/**
 * What a logical unit knows that is not durable, as one engine passes it to the next when that takes its place: to
 * initiators it is the same unit, which they lost sight of for a moment. JSON, version 1.
 */
import { KNOWN_PORTS_MAX, UNIT_ATTENTIONS_MAX, UNIT_STATE_BYTES_MAX } from "./limits.js";
import { MODE_DEFAULTS, type ModeState } from "./mode-pages.js";
import { decodeAllReservations, encodeReservations } from "./reservation-store.js";
import type { ReservationState } from "./reservations.js";
import { isAttentionName, type AttentionName } from "./unit-attention.js";

export interface UnitState {
  /** also those that do not persist through power loss: nothing lost its power */
  reservations: ReservationState;
  mode: ModeState;
  /** initiator ports that have heard of the power on */
  knownPorts: readonly string[];
  /** what initiator ports have not been told yet, oldest first */
  attentions: ReadonlyMap<string, readonly AttentionName[]>;
}

/** A state that cannot be read. It may fence writers, so nobody may go on without it. */
export class UnitStateError extends Error {
  override readonly name = "UnitStateError";
}

/** After a start that nobody passed anything on to. */
export function stateAfterPowerOn(reservations: ReservationState): UnitState {
  return { reservations, mode: MODE_DEFAULTS, knownPorts: [], attentions: new Map() };
}

const VERSION = 1;

export function encodeUnitState({ reservations, mode, knownPorts, attentions }: UnitState): Buffer {
  const json = {
    version: VERSION,
    reservations: encodeReservations(reservations).toString("base64"),
    mode,
    knownPorts,
    attentions: [...attentions],
  };
  return Buffer.from(JSON.stringify(json));
}

/** @throws {UnitStateError | SavedReservationsError} */
export function decodeUnitState(bytes: Buffer): UnitState {
  if (bytes.length > UNIT_STATE_BYTES_MAX)
    throw new UnitStateError(`the unit's state is longer than ${UNIT_STATE_BYTES_MAX} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new UnitStateError("the unit's state is not JSON", { cause });
  }
  const state = (json ?? {}) as Partial<Record<string, unknown>>;
  if (state["version"] !== VERSION) throw new UnitStateError("the unit's state is of an unknown version");
  const { reservations, mode, knownPorts, attentions } = state;
  const { writeProtected } = (mode ?? {}) as { writeProtected?: unknown };
  if (typeof reservations !== "string" || typeof writeProtected !== "boolean" || !isPorts(knownPorts))
    throw new UnitStateError("the unit's state is damaged");
  return {
    reservations: decodeAllReservations(Buffer.from(reservations, "base64")),
    mode: { writeProtected },
    knownPorts,
    attentions: decodeAttentions(attentions),
  };
}

function isPorts(value: unknown): value is string[] {
  const isText = (item: unknown): boolean => typeof item === "string";
  return Array.isArray(value) && value.length <= KNOWN_PORTS_MAX && value.every(isText);
}

function decodeAttentions(saved: unknown): Map<string, AttentionName[]> {
  if (!Array.isArray(saved) || saved.length > KNOWN_PORTS_MAX)
    throw new UnitStateError("the unit's attentions are damaged");
  const attentions = new Map<string, AttentionName[]>();
  for (const item of saved as unknown[]) {
    const [port, names] = Array.isArray(item) ? (item as unknown[]) : [];
    const known = Array.isArray(names) && names.length <= UNIT_ATTENTIONS_MAX && names.every(isAttentionName);
    if (typeof port !== "string" || !known) throw new UnitStateError("a unit attention is damaged");
    attentions.set(port, names);
  }
  return attentions;
}
