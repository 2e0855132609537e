/** PERSISTENT RESERVE IN and OUT (SPC-5): CDB and parameter data to values, answers to bytes. */
import { SENSE, CheckCondition } from "./sense.js";
import { isHolder, isReservationType, type ReservationState, type ReservationType, type ReserveOut } from "./reservations.js"; // prettier-ignore

export const RESERVE_IN = {
  READ_KEYS: 0,
  READ_RESERVATION: 1,
  REPORT_CAPABILITIES: 2,
  READ_FULL_STATUS: 3,
} as const;
export const RESERVE_OUT = {
  REGISTER: 0,
  RESERVE: 1,
  RELEASE: 2,
  CLEAR: 3,
  PREEMPT: 4,
  PREEMPT_AND_ABORT: 5,
  REGISTER_AND_IGNORE_EXISTING_KEY: 6,
  REGISTER_AND_MOVE: 7,
} as const;

const PARAMETERS_LENGTH = 24;
const RELATIVE_TARGET_PORT = 1;
/** TransportID: format code 01b (port, not device) and the iSCSI protocol identifier */
const ISCSI_PORT_TRANSPORT_ID = 0x45;

export function readKeys(state: ReservationState): Buffer {
  const bytes = Buffer.alloc(8 + 8 * state.registrations.size);
  bytes.writeUInt32BE(state.generation, 0);
  bytes.writeUInt32BE(8 * state.registrations.size, 4);
  let at = 8;
  for (const key of state.registrations.values()) at = bytes.writeBigUInt64BE(key, at);
  return bytes;
}

export function readReservation(state: ReservationState): Buffer {
  const { reservation } = state;
  const bytes = Buffer.alloc(reservation === null ? 8 : 24);
  bytes.writeUInt32BE(state.generation, 0);
  if (reservation === null) return bytes;
  bytes.writeUInt32BE(16, 4);
  // Nobody's key in particular with the all-registrants types.
  const key = reservation.holder === null ? 0n : (state.registrations.get(reservation.holder) ?? 0n);
  bytes.writeBigUInt64BE(key, 8);
  bytes.writeUInt8(reservation.type, 21);
  return bytes;
}

export function reportCapabilities(state: ReservationState): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16BE(8, 0);
  // CRH (RESERVE and RELEASE by registrants do nothing), ATP_C, PTPL_C; SIP_C is 0.
  bytes.writeUInt8(0x10 | 0x04 | 0x01, 2);
  // TMV; ALLOW COMMANDS 000b claims nothing; PTPL_A
  bytes.writeUInt8(0x80 | (state.persistent ? 0x01 : 0), 3);
  // WR_EX_AR, EX_AC_RO, WR_EX_RO, EX_AC, WR_EX; EX_AC_AR
  bytes.writeUInt16BE(0xea01, 4);
  return bytes;
}

export function readFullStatus(state: ReservationState): Buffer {
  const header = Buffer.alloc(8);
  const descriptors = [...state.registrations].map(([port, key]) => {
    const transportId = encodeTransportId(port);
    const descriptor = Buffer.alloc(24);
    descriptor.writeBigUInt64BE(key, 0);
    if (state.reservation !== null && isHolder(state, port)) {
      descriptor.writeUInt8(1, 12);
      descriptor.writeUInt8(state.reservation.type, 13);
    }
    descriptor.writeUInt16BE(RELATIVE_TARGET_PORT, 18);
    descriptor.writeUInt32BE(transportId.length, 20);
    return Buffer.concat([descriptor, transportId]);
  });
  const body = Buffer.concat(descriptors);
  header.writeUInt32BE(state.generation, 0);
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}

/** An iSCSI initiator port: name, `,i,0x`, ISID; ended by a zero byte and padded to a multiple of four. */
export function encodeTransportId(port: string): Buffer {
  const length = Math.max(20, Math.ceil((port.length + 1) / 4) * 4);
  const bytes = Buffer.alloc(4 + length);
  bytes.writeUInt8(ISCSI_PORT_TRANSPORT_ID, 0);
  bytes.writeUInt16BE(length, 2);
  bytes.write(port, 4, "latin1");
  return bytes;
}

/** @throws {CheckCondition} */
export function decodeTransportId(bytes: Buffer): string {
  const invalid = new CheckCondition(SENSE.INVALID_FIELD_IN_PARAMETERS);
  if (bytes.length < 24 || bytes.readUInt8(0) !== ISCSI_PORT_TRANSPORT_ID) throw invalid;
  if (bytes.readUInt16BE(2) !== bytes.length - 4) throw invalid;
  const end = bytes.indexOf(0, 4);
  const text = bytes.toString("latin1", 4, end < 0 ? bytes.length : end);
  const match = /^([a-z]{3}\.[^A-Z\s,]{1,219}),i,0x([0-9a-fA-F]{12})$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) throw invalid;
  return `${match[1]},i,0x${match[2].toLowerCase()}`;
}

/** @param port the initiator port that sent the command
 * @throws {CheckCondition} */
export function decodeReserveOut(port: string, cdb: Buffer, dataOut: Buffer): ReserveOut {
  const invalid = new CheckCondition(SENSE.INVALID_FIELD_IN_CDB);
  const serviceAction = cdb.readUInt8(1) & 0x1f;
  const length = cdb.readUInt32BE(5);
  if (serviceAction > RESERVE_OUT.REGISTER_AND_MOVE) throw invalid;
  const moves = serviceAction === RESERVE_OUT.REGISTER_AND_MOVE;
  if (length > dataOut.length || length < PARAMETERS_LENGTH)
    throw new CheckCondition(SENSE.PARAMETER_LIST_LENGTH);
  const parameters = dataOut.subarray(0, length);
  const key = parameters.readBigUInt64BE(0);
  const actionKey = parameters.readBigUInt64BE(8);
  if (moves) return { port, key, actionKey, action: decodeMove(parameters) };
  const flags = parameters.readUInt8(20);
  // SPEC_I_PT: registering on behalf of others is not offered (SIP_C is 0).
  if ((flags & 0x08) !== 0) throw new CheckCondition(SENSE.INVALID_FIELD_IN_PARAMETERS);
  if (length !== PARAMETERS_LENGTH) throw new CheckCondition(SENSE.PARAMETER_LIST_LENGTH);
  return { port, key, actionKey, action: decodeAction(serviceAction, cdb, (flags & 0x01) !== 0) };
}

function decodeAction(serviceAction: number, cdb: Buffer, persistent: boolean): ReserveOut["action"] {
  switch (serviceAction) {
    case RESERVE_OUT.REGISTER:
      return { type: "register", ignoreExisting: false, persistent };
    case RESERVE_OUT.REGISTER_AND_IGNORE_EXISTING_KEY:
      return { type: "register", ignoreExisting: true, persistent };
    case RESERVE_OUT.CLEAR:
      return { type: "clear" };
    case RESERVE_OUT.RESERVE:
      return { type: "reserve", reservationType: decodeType(cdb) };
    case RESERVE_OUT.RELEASE:
      return { type: "release", reservationType: decodeType(cdb) };
    default: {
      const abort = serviceAction === RESERVE_OUT.PREEMPT_AND_ABORT;
      return { type: "preempt", reservationType: decodeType(cdb), abort };
    }
  }
}

/** SCOPE (the logical unit is the only one) and TYPE. */
function decodeType(cdb: Buffer): ReservationType {
  const type = cdb.readUInt8(2);
  if (!isReservationType(type)) throw new CheckCondition(SENSE.INVALID_FIELD_IN_CDB);
  return type;
}

function decodeMove(parameters: Buffer): ReserveOut["action"] {
  const flags = parameters.readUInt8(17);
  if (parameters.readUInt16BE(18) !== RELATIVE_TARGET_PORT)
    throw new CheckCondition(SENSE.INVALID_FIELD_IN_PARAMETERS);
  const transportIdLength = parameters.readUInt32BE(20);
  if (transportIdLength !== parameters.length - PARAMETERS_LENGTH)
    throw new CheckCondition(SENSE.PARAMETER_LIST_LENGTH);
  return {
    type: "registerAndMove",
    to: decodeTransportId(parameters.subarray(PARAMETERS_LENGTH)),
    unregister: (flags & 0x02) !== 0,
    persistent: (flags & 0x01) !== 0,
  };
}
