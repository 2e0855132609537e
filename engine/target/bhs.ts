/**
 * Headers (basic header segments) of the PDUs that are decided here, RFC 7143 §11: bytes to values and back.
 * DataSegmentLength is filled by whoever sends; in full feature phase also StatSN, ExpCmdSN and MaxCmdSN.
 */

export const BHS_LENGTH = 48;
/** "no tag" in the task tag fields */
export const RESERVED_TAG = 0xffff_ffff;

export const OPCODE = {
  TASK_MANAGEMENT_REQUEST: 0x02,
  LOGIN_REQUEST: 0x03,
  TEXT_REQUEST: 0x04,
  LOGOUT_REQUEST: 0x06,
  TASK_MANAGEMENT_RESPONSE: 0x22,
  LOGIN_RESPONSE: 0x23,
  TEXT_RESPONSE: 0x24,
  LOGOUT_RESPONSE: 0x26,
  ASYNC_MESSAGE: 0x32,
  REJECT: 0x3f,
} as const;

/** The opcode without the immediate bit. */
export function opcodeOf(bhs: Buffer): number {
  return bhs.readUInt8(0) & 0x3f;
}

export function isImmediate(bhs: Buffer): boolean {
  return (bhs.readUInt8(0) & 0x40) !== 0;
}

/** RFC 7143 §11.12 */
export interface LoginRequest {
  transit: boolean;
  more: boolean;
  currentStage: number;
  nextStage: number;
  versionMax: number;
  versionMin: number;
  /** six bytes as twelve hexadecimal digits */
  isid: string;
  tsih: number;
  itt: number;
  cid: number;
  cmdSn: number;
}

export function decodeLoginRequest(bhs: Buffer): LoginRequest {
  const flags = bhs.readUInt8(1);
  return {
    transit: (flags & 0x80) !== 0,
    more: (flags & 0x40) !== 0,
    currentStage: (flags >> 2) & 3,
    nextStage: flags & 3,
    versionMax: bhs.readUInt8(2),
    versionMin: bhs.readUInt8(3),
    isid: bhs.toString("hex", 8, 14),
    tsih: bhs.readUInt16BE(14),
    itt: bhs.readUInt32BE(16),
    cid: bhs.readUInt16BE(20),
    cmdSn: bhs.readUInt32BE(24),
  };
}

/** RFC 7143 §11.13; versions are 0, the only one there is */
export interface LoginResponse {
  transit: boolean;
  currentStage: number;
  nextStage: number;
  isid: string;
  tsih: number;
  itt: number;
  statSn: number;
  expCmdSn: number;
  maxCmdSn: number;
  /** class in the high byte, detail in the low one */
  status: number;
}

export function encodeLoginResponse(response: LoginResponse): Buffer {
  const bhs = Buffer.alloc(BHS_LENGTH);
  bhs.writeUInt8(OPCODE.LOGIN_RESPONSE, 0);
  const next = response.transit ? 0x80 | response.nextStage : 0;
  bhs.writeUInt8(next | (response.currentStage << 2), 1);
  bhs.write(response.isid, 8, "hex");
  bhs.writeUInt16BE(response.tsih, 14);
  bhs.writeUInt32BE(response.itt, 16);
  bhs.writeUInt32BE(response.statSn, 24);
  bhs.writeUInt32BE(response.expCmdSn, 28);
  bhs.writeUInt32BE(response.maxCmdSn, 32);
  bhs.writeUInt16BE(response.status, 36);
  return bhs;
}

/** RFC 7143 §11.10 */
export interface TextRequest {
  final: boolean;
  more: boolean;
  lun: Buffer;
  itt: number;
  ttt: number;
}

export function decodeTextRequest(bhs: Buffer): TextRequest {
  const flags = bhs.readUInt8(1);
  return {
    final: (flags & 0x80) !== 0,
    more: (flags & 0x40) !== 0,
    lun: bhs.subarray(8, 16),
    itt: bhs.readUInt32BE(16),
    ttt: bhs.readUInt32BE(20),
  };
}

/** RFC 7143 §11.11 */
export function encodeTextResponse(response: {
  final: boolean;
  lun: Buffer;
  itt: number;
  ttt: number;
}): Buffer {
  const bhs = Buffer.alloc(BHS_LENGTH);
  bhs.writeUInt8(OPCODE.TEXT_RESPONSE, 0);
  bhs.writeUInt8(response.final ? 0x80 : 0, 1);
  response.lun.copy(bhs, 8);
  bhs.writeUInt32BE(response.itt, 16);
  bhs.writeUInt32BE(response.ttt, 20);
  return bhs;
}

/** RFC 7143 §11.14 */
export interface LogoutRequest {
  reason: number;
  itt: number;
  cid: number;
}

export function decodeLogoutRequest(bhs: Buffer): LogoutRequest {
  return { reason: bhs.readUInt8(1) & 0x7f, itt: bhs.readUInt32BE(16), cid: bhs.readUInt16BE(20) };
}

/** RFC 7143 §11.15; times in seconds */
export function encodeLogoutResponse(response: {
  response: number;
  itt: number;
  time2Wait: number;
  time2Retain: number;
}): Buffer {
  const bhs = Buffer.alloc(BHS_LENGTH);
  bhs.writeUInt8(OPCODE.LOGOUT_RESPONSE, 0);
  bhs.writeUInt8(0x80, 1);
  bhs.writeUInt8(response.response, 2);
  bhs.writeUInt32BE(response.itt, 16);
  bhs.writeUInt16BE(response.time2Wait, 40);
  bhs.writeUInt16BE(response.time2Retain, 42);
  return bhs;
}

/** RFC 7143 §11.5 */
export interface TaskManagementRequest {
  function: number;
  lun: number | null;
  itt: number;
  referencedTaskTag: number;
  cmdSn: number;
}

export function decodeTaskManagementRequest(bhs: Buffer): TaskManagementRequest {
  return {
    function: bhs.readUInt8(1) & 0x7f,
    lun: decodeLun(bhs.subarray(8, 16)),
    itt: bhs.readUInt32BE(16),
    referencedTaskTag: bhs.readUInt32BE(20),
    cmdSn: bhs.readUInt32BE(24),
  };
}

/** RFC 7143 §11.6 */
export function encodeTaskManagementResponse(itt: number, response: number): Buffer {
  const bhs = Buffer.alloc(BHS_LENGTH);
  bhs.writeUInt8(OPCODE.TASK_MANAGEMENT_RESPONSE, 0);
  bhs.writeUInt8(0x80, 1);
  bhs.writeUInt8(response, 2);
  bhs.writeUInt32BE(itt, 16);
  return bhs;
}

/** A single-level LUN in peripheral or flat addressing (SAM); null for any other form, which names nothing here. */
export function decodeLun(lun: Buffer): number | null {
  const method = lun.readUInt8(0) >> 6;
  if (method > 1 || lun.subarray(2).some((byte) => byte !== 0)) return null;
  const value = lun.readUInt16BE(0) & 0x3fff;
  return method === 0 && value > 255 ? null : value;
}

/** The inverse of `decodeLun`: peripheral addressing up to 255, flat above. */
export function encodeLun(lun: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16BE(lun > 255 ? 0x4000 | lun : lun, 0);
  return bytes;
}

export const REJECT_REASON = {
  PROTOCOL_ERROR: 0x04,
  COMMAND_NOT_SUPPORTED: 0x05,
  INVALID_PDU_FIELD: 0x09,
  OUT_OF_RESOURCES: 0x0a,
} as const;

/** RFC 7143 §11.17; the data segment of a Reject is the header that was refused */
export function encodeReject(reason: number): Buffer {
  const bhs = Buffer.alloc(BHS_LENGTH);
  bhs.writeUInt8(OPCODE.REJECT, 0);
  bhs.writeUInt8(0x80, 1);
  bhs.writeUInt8(reason, 2);
  bhs.writeUInt32BE(RESERVED_TAG, 16);
  return bhs;
}
