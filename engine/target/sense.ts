/** Sense codes (SPC-5) that TypeScript answers with, their two encodings, and how a command is refused. */

export interface Sense {
  key: number;
  asc: number;
  ascq: number;
}

export const SENSE = {
  NO_SENSE: { key: 0x0, asc: 0x00, ascq: 0x00 },
  INTERNAL_FAILURE: { key: 0xb, asc: 0x44, ascq: 0x00 },
  PARAMETER_LIST_LENGTH: { key: 0x5, asc: 0x1a, ascq: 0x00 },
  INVALID_OPCODE: { key: 0x5, asc: 0x20, ascq: 0x00 },
  LBA_OUT_OF_RANGE: { key: 0x5, asc: 0x21, ascq: 0x00 },
  INVALID_FIELD_IN_CDB: { key: 0x5, asc: 0x24, ascq: 0x00 },
  LOGICAL_UNIT_NOT_SUPPORTED: { key: 0x5, asc: 0x25, ascq: 0x00 },
  INVALID_FIELD_IN_PARAMETERS: { key: 0x5, asc: 0x26, ascq: 0x00 },
  INVALID_RELEASE: { key: 0x5, asc: 0x26, ascq: 0x04 },
  SAVING_NOT_SUPPORTED: { key: 0x5, asc: 0x39, ascq: 0x00 },
  INSUFFICIENT_REGISTRATION_RESOURCES: { key: 0x5, asc: 0x55, ascq: 0x04 },
  WRITE_PROTECTED: { key: 0x7, asc: 0x27, ascq: 0x00 },
} as const satisfies Record<string, Sense>;

export const SCSI_STATUS = { GOOD: 0x00, CHECK_CONDITION: 0x02, RESERVATION_CONFLICT: 0x18 } as const;

/** Fixed format, response code 70h: what every CHECK CONDITION carries (D_SENSE is 0 and cannot be changed). */
export function encodeFixedSense(sense: Sense): Buffer {
  const bytes = Buffer.alloc(18);
  bytes.writeUInt8(0x70, 0);
  bytes.writeUInt8(sense.key, 2);
  bytes.writeUInt8(bytes.length - 8, 7);
  bytes.writeUInt8(sense.asc, 12);
  bytes.writeUInt8(sense.ascq, 13);
  return bytes;
}

/** Descriptor format, response code 72h, without descriptors: only REQUEST SENSE can ask for it. */
export function encodeDescriptorSense(sense: Sense): Buffer {
  return Buffer.of(0x72, sense.key, sense.asc, sense.ascq, 0, 0, 0, 0);
}

/** Thrown by a command that ends in CHECK CONDITION. */
export class CheckCondition extends Error {
  override readonly name = "CheckCondition";
  constructor(readonly sense: Sense) {
    super(`sense ${sense.key.toString(16)}/${sense.asc.toString(16)}/${sense.ascq.toString(16)}`);
  }
}

/** Thrown by a command that a reservation forbids. */
export class ReservationConflict extends Error {
  override readonly name = "ReservationConflict";
}
