/** What a Logout Request is answered with, RFC 7143 §11.14, §11.15. One connection per session, recovery level 0. */
import { decodeLogoutRequest, encodeLogoutResponse } from "./bhs.js";

const REASON = { CLOSE_SESSION: 0, CLOSE_CONNECTION: 1 } as const;

export const LOGOUT_RESPONSE = { CLOSED: 0, CID_NOT_FOUND: 1, RECOVERY_NOT_SUPPORTED: 2 } as const;

export interface LogoutAnswer {
  bhs: Buffer;
  /** the connection, and with it the session, ends after the answer */
  closes: boolean;
}

export function answerLogout(
  bhs: Buffer,
  session: { cid: number; time2Wait: number; time2Retain: number },
): LogoutAnswer {
  const request = decodeLogoutRequest(bhs);
  const response = decide(request.reason, request.cid, session.cid);
  const { time2Wait, time2Retain } = session;
  return {
    bhs: encodeLogoutResponse({ response, itt: request.itt, time2Wait, time2Retain }),
    closes: response === LOGOUT_RESPONSE.CLOSED,
  };
}

function decide(reason: number, asked: number, cid: number): number {
  switch (reason) {
    case REASON.CLOSE_SESSION:
      return LOGOUT_RESPONSE.CLOSED;
    case REASON.CLOSE_CONNECTION:
      return asked === cid ? LOGOUT_RESPONSE.CLOSED : LOGOUT_RESPONSE.CID_NOT_FOUND;
    default:
      return LOGOUT_RESPONSE.RECOVERY_NOT_SUPPORTED;
  }
}
