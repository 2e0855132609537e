/** A connection to the target: who is at the other end, and how far it has got. */
import type { SessionParameters } from "../../native/index.js";
import type { Login, LoginResult } from "./login.js";
import type { TextExchange } from "./text-exchange.js";

export interface Session extends LoginResult {
  tsih: number;
  /** 0 for discovery */
  nexus: number;
}

/** login --complete--> opening (an older session may have to end first) --> open */
type Phase =
  | { phase: "login"; login: Login }
  | { phase: "opening"; result: LoginResult }
  | { phase: "open"; session: Session; text: TextExchange };

export interface Connection {
  id: number;
  remote: string;
  local: string;
  state: Phase;
}

/** Who has logged in; null: nobody yet. */
export function loginOf({ state }: Connection): LoginResult | null {
  switch (state.phase) {
    case "login":
      return null;
    case "opening":
      return state.result;
    case "open":
      return state.session;
  }
}

/** What the addon has to know of a session whose login is complete. */
export function parametersOf(session: Session, lun: number): SessionParameters {
  const { negotiated } = session;
  return {
    nexus: session.nexus,
    headerDigest: negotiated.headerDigest,
    dataDigest: negotiated.dataDigest,
    maxSendDataSegmentLength: negotiated.initiatorMaxRecvDataSegmentLength,
    maxRecvDataSegmentLength: session.maxRecvDataSegmentLength,
    maxBurstLength: negotiated.maxBurstLength,
    firstBurstLength: negotiated.firstBurstLength,
    initialR2T: negotiated.initialR2T,
    immediateData: negotiated.immediateData,
    maxOutstandingR2T: negotiated.maxOutstandingR2T,
    expCmdSn: session.expCmdSn,
    statSn: session.statSn,
    lun,
  };
}
