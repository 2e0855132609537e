/** Asynchronous messages that the target sends, RFC 7143 §11.9. */
import { BHS_LENGTH, OPCODE, RESERVED_TAG } from "./bhs.js";

const EVENT_REQUEST_LOGOUT = 1;
const EVENT_ALL_CONNECTIONS_DROPPED = 3;

/** Asks the initiator to log out within `seconds`. */
export function encodeLogoutRequestMessage(seconds: number): Buffer {
  const bhs = message(EVENT_REQUEST_LOGOUT);
  bhs.writeUInt16BE(seconds, 42);
  return bhs;
}

/** Says that the session ends, and may be opened again at once (Time2Wait 0; there is nothing to reassign: Time2Retain 0).
 * An initiator that hears nothing waits for DefaultTime2Wait, at least 2 s as open-iscsi offers it. */
export function encodeSessionDroppedMessage(): Buffer {
  return message(EVENT_ALL_CONNECTIONS_DROPPED);
}

function message(event: number): Buffer {
  const bhs = Buffer.alloc(BHS_LENGTH);
  bhs.writeUInt8(OPCODE.ASYNC_MESSAGE, 0);
  bhs.writeUInt8(0x80, 1);
  bhs.writeUInt32BE(RESERVED_TAG, 16);
  bhs.writeUInt8(event, 36);
  return bhs;
}
