/**
 * Persistent reservations (SPC-5), a pure state machine: `apply(state, command)` tells the next state and its effects.
 * Whoever calls it makes the state durable before the command is answered. A nexus is named by its initiator port, as
 * there is one target port.
 */
import { REGISTRATIONS_MAX } from "./limits.js";
import { SENSE, type Sense } from "./sense.js";
import type { AttentionName } from "./unit-attention.js";

export const RESERVATION_TYPE = {
  WRITE_EXCLUSIVE: 1,
  EXCLUSIVE_ACCESS: 3,
  WRITE_EXCLUSIVE_REGISTRANTS_ONLY: 5,
  EXCLUSIVE_ACCESS_REGISTRANTS_ONLY: 6,
  WRITE_EXCLUSIVE_ALL_REGISTRANTS: 7,
  EXCLUSIVE_ACCESS_ALL_REGISTRANTS: 8,
} as const;
export type ReservationType = (typeof RESERVATION_TYPE)[keyof typeof RESERVATION_TYPE];

/** What each type means: who may write or read besides the holder, and who holds it. */
export const TYPE_RULES: Readonly<Record<ReservationType, { excludesReads: boolean; registrants: boolean; all: boolean }>> = {
  1: { excludesReads: false, registrants: false, all: false },
  3: { excludesReads: true, registrants: false, all: false },
  5: { excludesReads: false, registrants: true, all: false },
  6: { excludesReads: true, registrants: true, all: false },
  7: { excludesReads: false, registrants: true, all: true },
  8: { excludesReads: true, registrants: true, all: true },
}; // prettier-ignore

export interface Reservation {
  type: ReservationType;
  /** initiator port; null with the all-registrants types */
  holder: string | null;
}

export interface ReservationState {
  /** PRgeneration, 32 bits */
  generation: number;
  /** activate persist through power loss */
  persistent: boolean;
  /** initiator port to key, in the order of registering */
  registrations: ReadonlyMap<string, bigint>;
  reservation: Reservation | null;
}

export const NO_RESERVATIONS: ReservationState = {
  generation: 0,
  persistent: false,
  registrations: new Map(),
  reservation: null,
};

/** PERSISTENT RESERVE OUT; `port` is the initiator port that sent it. */
export interface ReserveOut {
  port: string;
  action:
    | { type: "register"; ignoreExisting: boolean; persistent: boolean }
    | { type: "reserve" | "release"; reservationType: ReservationType }
    | { type: "clear" }
    | { type: "preempt"; reservationType: ReservationType; abort: boolean }
    | { type: "registerAndMove"; to: string; unregister: boolean; persistent: boolean };
  /** RESERVATION KEY */
  key: bigint;
  /** SERVICE ACTION RESERVATION KEY */
  actionKey: bigint;
}

export interface ReservationEffects {
  attentions: { port: string; attention: AttentionName }[];
  /** initiator ports whose tasks have to be aborted before the answer */
  abort: string[];
}

export type ReserveOutcome =
  | { type: "applied"; state: ReservationState; effects: ReservationEffects }
  | { type: "conflict" }
  | { type: "refused"; sense: Sense };

const CONFLICT: ReserveOutcome = { type: "conflict" };
const INVALID_PARAMETER: ReserveOutcome = { type: "refused", sense: SENSE.INVALID_FIELD_IN_PARAMETERS };

export function isReservationType(value: number): value is ReservationType {
  return value in TYPE_RULES;
}

/** Does `port` hold the reservation? With the all-registrants types everybody who is registered does. */
export function isHolder(state: ReservationState, port: string): boolean {
  if (state.reservation === null) return false;
  return TYPE_RULES[state.reservation.type].all
    ? state.registrations.has(port)
    : state.reservation.holder === port;
}

/** What `port` may do under the present reservation. */
export function allowedAccess(state: ReservationState, port: string): { read: boolean; write: boolean } {
  if (state.reservation === null || isHolder(state, port)) return { read: true, write: true };
  const rules = TYPE_RULES[state.reservation.type];
  const admitted = rules.registrants && state.registrations.has(port);
  return { read: admitted || !rules.excludesReads, write: admitted };
}

export function apply(state: ReservationState, command: ReserveOut): ReserveOutcome {
  const { action, port } = command;
  if (action.type === "register") return register(state, command, action);
  // Everything else needs a registration with the right key.
  if (state.registrations.get(port) !== command.key) return CONFLICT;
  switch (action.type) {
    case "reserve":
      return reserve(state, port, action.reservationType);
    case "release":
      return release(state, port, action.reservationType);
    case "clear":
      return applied(
        next(state, new Map(), null),
        tell(others(state.registrations, port), "RESERVATIONS_PREEMPTED"),
      );
    case "preempt":
      return preempt(state, command, action);
    case "registerAndMove":
      return registerAndMove(state, command, action);
  }
}

type Attentions = ReservationEffects["attentions"];

function applied(state: ReservationState, attentions: Attentions = [], abort: string[] = []): ReserveOutcome {
  return { type: "applied", state, effects: { attentions, abort } };
}

/** The state after an action that counts in PRgeneration. */
function next(
  state: ReservationState,
  registrations: ReadonlyMap<string, bigint>,
  reservation: Reservation | null,
): ReservationState {
  // An all-registrants reservation ends with its last registrant.
  const kept = registrations.size === 0 ? null : reservation;
  return { ...state, generation: (state.generation + 1) >>> 0, registrations, reservation: kept };
}

function others(registrations: ReadonlyMap<string, bigint>, port: string): string[] {
  return [...registrations.keys()].filter((other) => other !== port);
}

function tell(ports: readonly string[], attention: AttentionName): Attentions {
  return ports.map((port) => ({ port, attention }));
}

function register(
  state: ReservationState,
  { port, key, actionKey }: ReserveOut,
  action: ReserveOut["action"] & { type: "register" },
): ReserveOutcome {
  const present = state.registrations.get(port);
  if (!action.ignoreExisting && (present ?? 0n) !== key) return CONFLICT;
  if (present === undefined && actionKey === 0n) return applied(state);
  const registrations = new Map(state.registrations);
  const withAptpl = { ...state, persistent: action.persistent };
  if (actionKey !== 0n) {
    if (present === undefined && registrations.size >= REGISTRATIONS_MAX)
      return { type: "refused", sense: SENSE.INSUFFICIENT_REGISTRATION_RESOURCES };
    registrations.set(port, actionKey);
    return applied(next(withAptpl, registrations, state.reservation));
  }
  registrations.delete(port);
  if (state.reservation?.holder !== port) return applied(next(withAptpl, registrations, state.reservation));
  const attentions = TYPE_RULES[state.reservation.type].registrants
    ? tell([...registrations.keys()], "RESERVATIONS_RELEASED")
    : [];
  return applied(next(withAptpl, registrations, null), attentions);
}

function reservationOf(type: ReservationType, port: string): Reservation {
  return { type, holder: TYPE_RULES[type].all ? null : port };
}

function reserve(state: ReservationState, port: string, type: ReservationType): ReserveOutcome {
  if (state.reservation === null) return applied({ ...state, reservation: reservationOf(type, port) });
  return isHolder(state, port) && state.reservation.type === type ? applied(state) : CONFLICT;
}

function release(state: ReservationState, port: string, type: ReservationType): ReserveOutcome {
  if (state.reservation === null || !isHolder(state, port)) return applied(state);
  if (state.reservation.type !== type) return { type: "refused", sense: SENSE.INVALID_RELEASE };
  const attentions = TYPE_RULES[type].registrants
    ? tell(others(state.registrations, port), "RESERVATIONS_RELEASED")
    : [];
  return applied({ ...state, reservation: null }, attentions);
}

function preempt(
  state: ReservationState,
  { port, actionKey }: ReserveOut,
  action: ReserveOut["action"] & { type: "preempt" },
): ReserveOutcome {
  const present = state.reservation;
  const all = present !== null && TYPE_RULES[present.type].all;
  if (actionKey === 0n && !all) return INVALID_PARAMETER;
  const holderKey = present?.holder == null ? null : (state.registrations.get(present.holder) ?? null);
  const takesOver = all ? actionKey === 0n : present !== null && holderKey === actionKey;
  const isVictim = (other: string, key: bigint): boolean =>
    actionKey === 0n || key === actionKey ? !(takesOver && other === port) : false;
  const victims = [...state.registrations]
    .filter(([other, key]) => isVictim(other, key))
    .map(([other]) => other);
  if (victims.length === 0 && !takesOver) return CONFLICT;
  const registrations = new Map([...state.registrations].filter(([other]) => !victims.includes(other)));
  const attentions = tell(
    victims.filter((other) => other !== port),
    "REGISTRATIONS_PREEMPTED",
  );
  const abort = action.abort ? victims : [];
  if (!takesOver) return applied(next(state, registrations, present), attentions, abort);
  if (action.reservationType !== present?.type)
    attentions.push(...tell(others(registrations, port), "RESERVATIONS_RELEASED"));
  return applied(next(state, registrations, reservationOf(action.reservationType, port)), attentions, abort);
}

function registerAndMove(
  state: ReservationState,
  { port, actionKey }: ReserveOut,
  action: ReserveOut["action"] & { type: "registerAndMove" },
): ReserveOutcome {
  // With an all-registrants reservation there is no one holder that could move.
  if (state.reservation?.holder !== port) return CONFLICT;
  if (actionKey === 0n || action.to === port) return INVALID_PARAMETER;
  const registrations = new Map(state.registrations);
  if (!registrations.has(action.to) && registrations.size >= REGISTRATIONS_MAX)
    return { type: "refused", sense: SENSE.INSUFFICIENT_REGISTRATION_RESOURCES };
  registrations.set(action.to, actionKey);
  if (action.unregister) registrations.delete(port);
  const moved = { type: state.reservation.type, holder: action.to };
  return applied(next({ ...state, persistent: action.persistent }, registrations, moved));
}
