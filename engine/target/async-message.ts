/** Asynchronous messages that the target sends, RFC 7143 §11.9. */
import { BHS_LENGTH, OPCODE, RESERVED_TAG } from "./bhs.js";

const EVENT_REQUEST_LOGOUT = 1;

/** Asks the initiator to log out within `seconds`. */
export function encodeLogoutRequestMessage(seconds: number): Buffer {
  const bhs = Buffer.alloc(BHS_LENGTH);
  bhs.writeUInt8(OPCODE.ASYNC_MESSAGE, 0);
  bhs.writeUInt8(0x80, 1);
  bhs.writeUInt32BE(RESERVED_TAG, 16);
  bhs.writeUInt8(EVENT_REQUEST_LOGOUT, 36);
  bhs.writeUInt16BE(seconds, 42);
  return bhs;
}
