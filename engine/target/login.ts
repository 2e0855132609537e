/**
 * The login phase of one connection, RFC 7143 §11.12, §11.13: requests in, responses out, no socket.
 *
 *   first --(keys complete)--> security --> operational --> done
 *     `------ NSG = 3 may come from security or operational; CSG = 1 first only where nobody must authenticate
 *   any --refused--> done
 */
import { Chap, type ChapOptions } from "./chap.js";
import { decodeLoginRequest, encodeLoginResponse, type LoginRequest } from "./bhs.js";
import { ISCSI_NAME_BYTES_MAX, LOGIN_REQUESTS_MAX, MAX_RECV_DATA_SEGMENT_LENGTH } from "./limits.js";
import { KEYS, Negotiation, NegotiationError, type Negotiated } from "./negotiation.js";
import { encodeText, TextCollector, TextError, type Pair } from "./text.js";

/** Status class and detail, RFC 7143 §11.13.5 */
export const LOGIN_STATUS = {
  SUCCESS: 0x0000,
  INITIATOR_ERROR: 0x0200,
  AUTHENTICATION_FAILED: 0x0201,
  FORBIDDEN: 0x0202,
  NOT_FOUND: 0x0203,
  UNSUPPORTED_VERSION: 0x0205,
  TOO_MANY_CONNECTIONS: 0x0206,
  MISSING_PARAMETER: 0x0207,
  CANNOT_INCLUDE_IN_SESSION: 0x0208,
  SESSION_TYPE_NOT_SUPPORTED: 0x0209,
  SESSION_DOES_NOT_EXIST: 0x020a,
  INVALID_DURING_LOGIN: 0x020b,
  SERVICE_UNAVAILABLE: 0x0301,
  OUT_OF_RESOURCES: 0x0302,
} as const;
export type LoginStatus = (typeof LOGIN_STATUS)[keyof typeof LOGIN_STATUS];

const STAGE = { SECURITY: 0, OPERATIONAL: 1, FULL_FEATURE: 3 } as const;

export interface LoginOptions {
  targetName: string;
  targetPortalGroupTag: number;
  targetAlias?: string;
  /** initiator names that may log in; null: all */
  acl: readonly string[] | null;
  chap: ChapOptions | null;
  /** commands that a session may have open */
  commandWindow: number;
  /** is there a session with this TSIH, and of which connection id? null: no */
  findSession: (tsih: number) => { cid: number } | null;
  /** false: the target is about to go and takes no new sessions */
  available: () => boolean;
  random?: (length: number) => Buffer;
}

/** Who logged in to what. */
export interface LoginResult {
  session: "normal" | "discovery";
  initiatorName: string;
  initiatorAlias: string | null;
  isid: string;
  cid: number;
  negotiated: Negotiated;
  maxRecvDataSegmentLength: number;
  expCmdSn: number;
  /** of the first response in full feature phase */
  statSn: number;
}

export type LoginStep =
  | { type: "respond"; bhs: Buffer; data: Buffer }
  | { type: "refuse"; bhs: Buffer; status: LoginStatus; reason: string }
  /** `finish` makes the last response once the session has its TSIH */
  | { type: "complete"; result: LoginResult; finish: (tsih: number) => { bhs: Buffer; data: Buffer } };

type LoginState =
  | { stage: "first" }
  | { stage: "security" | "operational"; identity: Identity; auth: Auth }
  | { stage: "done" };

interface Identity {
  session: "normal" | "discovery";
  initiatorName: string;
  initiatorAlias: string | null;
}

type Auth = { type: "open" } | { type: "notYet" } | { type: "chap"; chap: Chap } | { type: "proved" };

class Refused extends Error {
  constructor(
    readonly status: LoginStatus,
    reason: string,
  ) {
    super(reason);
  }
}

/** `iqn.`, `eui.` and `naa.` names, RFC 7143, iSCSI names; upper case is refused as the names are compared byte by byte. */
const ISCSI_NAME =
  /^(?:iqn\.\d{4}-\d{2}\.[^A-Z\s]+|eui\.[0-9A-Fa-f]{16}|naa\.[0-9A-Fa-f]{16}(?:[0-9A-Fa-f]{16})?)$/;

export class Login {
  #state: LoginState = { stage: "first" };
  #first: LoginRequest | null = null;
  #requests = 0;
  #statSn = 0;
  #declared = false;
  readonly #text = new TextCollector();
  readonly #negotiation = new Negotiation();

  constructor(private readonly options: LoginOptions) {}

  /** One Login Request. After `refuse` or `complete` the object is spent. */
  step(bhs: Buffer, data: Buffer): LoginStep {
    const request = decodeLoginRequest(bhs);
    try {
      return this.#step(request, data);
    } catch (error) {
      let refused: Refused;
      if (error instanceof Refused) refused = error;
      else if (error instanceof NegotiationError || error instanceof TextError)
        refused = new Refused(LOGIN_STATUS.INITIATOR_ERROR, error.message);
      else throw error;
      return this.#refuse(request, refused);
    }
  }

  /** Something else than a Login Request came before the login was over. */
  unexpectedPdu(bhs: Buffer): LoginStep {
    const request = this.#first ?? { ...decodeLoginRequest(bhs), isid: "000000000000", tsih: 0 };
    return this.#refuse(request, new Refused(LOGIN_STATUS.INVALID_DURING_LOGIN, "not a Login Request"));
  }

  #refuse(request: LoginRequest, refused: Refused): LoginStep {
    this.#state = { stage: "done" };
    const response = this.#respond(request, { transit: false, tsih: request.tsih, status: refused.status });
    return { type: "refuse", bhs: response, status: refused.status, reason: refused.message };
  }

  #step(request: LoginRequest, data: Buffer): LoginStep {
    this.#checkRequest(request);
    const pairs = this.#text.add(data, request.more);
    if (pairs === null) return this.#continue(request, false, []);
    const answers: Pair[] = [];
    if (this.#state.stage === "first") {
      const { identity, auth } = this.#identify(request, pairs, answers);
      this.#state = {
        stage: request.currentStage === STAGE.SECURITY ? "security" : "operational",
        identity,
        auth,
      };
    }
    if (this.#state.stage === "done") throw new Refused(LOGIN_STATUS.INITIATOR_ERROR, "the login was over");
    const state = this.#state;
    if (state.stage === "security") this.#authenticate(state, pairs, answers);
    else this.#negotiate(state.identity, pairs, answers);
    if (!request.transit || !this.#mayLeave(state)) return this.#continue(request, false, answers);
    if (request.nextStage !== STAGE.FULL_FEATURE) {
      this.#state = { ...state, stage: "operational" };
      return this.#continue(request, true, answers);
    }
    this.#state = { stage: "done" };
    return this.#complete(request, state.identity, answers);
  }

  /** What must hold for any request: stages, flags, and that it belongs to the same login as the first. */
  #checkRequest(request: LoginRequest): void {
    const { currentStage, nextStage } = request;
    this.#requests += 1;
    if (this.#requests > LOGIN_REQUESTS_MAX)
      throw new Refused(LOGIN_STATUS.OUT_OF_RESOURCES, "too many login requests");
    if (request.versionMin > 0)
      throw new Refused(LOGIN_STATUS.UNSUPPORTED_VERSION, "no common protocol version");
    const initiatorError = (reason: string): Refused => new Refused(LOGIN_STATUS.INITIATOR_ERROR, reason);
    if (currentStage !== STAGE.SECURITY && currentStage !== STAGE.OPERATIONAL)
      throw initiatorError("the current stage is not a login stage");
    if (request.transit && request.more) throw initiatorError("T and C bits are both set");
    if (request.transit && (nextStage <= currentStage || nextStage === 2))
      throw initiatorError("the next stage does not follow the current one");
    const first = this.#first;
    if (first === null) {
      this.#first = request;
      this.#checkSession(request);
      return;
    }
    if (request.isid !== first.isid || request.tsih !== first.tsih || request.cid !== first.cid)
      throw initiatorError("ISID, TSIH or CID changed during the login");
    if (request.itt !== first.itt) throw initiatorError("the task tag changed during the login");
    const stage = this.#state.stage === "first" ? first.currentStage : STAGE_NUMBER[this.#state.stage];
    if (currentStage !== stage) throw initiatorError("the current stage is not the one the login is in");
  }

  /** A TSIH asks to join a session: we have one connection per session, and none to reinstate at recovery level 0. */
  #checkSession(request: LoginRequest): void {
    if (!this.options.available())
      throw new Refused(LOGIN_STATUS.SERVICE_UNAVAILABLE, "the target is shutting down");
    if (request.tsih === 0) return;
    const session = this.options.findSession(request.tsih);
    if (session === null) throw new Refused(LOGIN_STATUS.SESSION_DOES_NOT_EXIST, "no session has this TSIH");
    if (session.cid === request.cid)
      throw new Refused(
        LOGIN_STATUS.CANNOT_INCLUDE_IN_SESSION,
        "a connection is not taken over at recovery level 0",
      );
    throw new Refused(LOGIN_STATUS.TOO_MANY_CONNECTIONS, "a session has one connection");
  }

  #identify(
    request: LoginRequest,
    pairs: readonly Pair[],
    answers: Pair[],
  ): { identity: Identity; auth: Auth } {
    const keys = new Map(pairs);
    const initiatorName = keys.get("InitiatorName");
    if (initiatorName === undefined)
      throw new Refused(LOGIN_STATUS.MISSING_PARAMETER, "InitiatorName is missing");
    if (initiatorName.length > ISCSI_NAME_BYTES_MAX || !ISCSI_NAME.test(initiatorName))
      throw new Refused(LOGIN_STATUS.INITIATOR_ERROR, "InitiatorName is not an iSCSI name");
    const type = keys.get("SessionType") ?? "Normal";
    if (type !== "Normal" && type !== "Discovery")
      throw new Refused(
        LOGIN_STATUS.SESSION_TYPE_NOT_SUPPORTED,
        "SessionType is neither Normal nor Discovery",
      );
    const targetName = keys.get("TargetName");
    if (type === "Normal" && targetName === undefined)
      throw new Refused(LOGIN_STATUS.MISSING_PARAMETER, "TargetName is missing");
    if (targetName !== undefined && targetName !== this.options.targetName)
      throw new Refused(LOGIN_STATUS.NOT_FOUND, "another target's name");
    if (this.options.acl !== null && !this.options.acl.includes(initiatorName))
      throw new Refused(LOGIN_STATUS.FORBIDDEN, "the initiator is not on the access list");
    if (this.options.chap !== null && request.currentStage !== STAGE.SECURITY)
      throw new Refused(LOGIN_STATUS.AUTHENTICATION_FAILED, "authentication was skipped");
    const session = type === "Normal" ? "normal" : "discovery";
    if (session === "normal") {
      answers.push(["TargetPortalGroupTag", String(this.options.targetPortalGroupTag)]);
      if (this.options.targetAlias !== undefined) answers.push(["TargetAlias", this.options.targetAlias]);
    }
    const identity: Identity = { session, initiatorName, initiatorAlias: keys.get("InitiatorAlias") ?? null };
    return { identity, auth: { type: this.options.chap === null ? "open" : "notYet" } };
  }

  /** The security stage: AuthMethod and the method's own keys. Operational keys may be mixed in (RFC 7143). */
  #authenticate(
    state: LoginState & { stage: "security" | "operational" },
    pairs: readonly Pair[],
    answers: Pair[],
  ): void {
    const isAuthKey = ([name]: Pair): boolean => name === "AuthMethod" || name.startsWith("CHAP_");
    const authPairs = pairs.filter(isAuthKey);
    const keys = new Map(authPairs);
    if (keys.size !== authPairs.length)
      throw new Refused(LOGIN_STATUS.INITIATOR_ERROR, "a CHAP key was sent twice");
    const offered = keys.get("AuthMethod");
    keys.delete("AuthMethod");
    if (offered !== undefined) answers.push(["AuthMethod", this.#chooseMethod(state, offered.split(","))]);
    if (keys.size > 0) {
      if (state.auth.type !== "chap")
        throw new Refused(LOGIN_STATUS.INITIATOR_ERROR, "CHAP was not agreed upon");
      const step = state.auth.chap.step(keys);
      if (step.type === "failed") throw new Refused(LOGIN_STATUS.AUTHENTICATION_FAILED, step.reason);
      answers.push(...step.pairs);
      if (step.type === "done") state.auth = { type: "proved" };
    }
    answers.push(...this.#negotiation.answer(pairs.filter((pair) => !isAuthKey(pair)), state.identity.session)); // prettier-ignore
  }

  #chooseMethod(state: { auth: Auth }, offered: readonly string[]): string {
    if (state.auth.type === "open") {
      if (!offered.includes("None"))
        throw new Refused(LOGIN_STATUS.AUTHENTICATION_FAILED, "no common AuthMethod");
      return "None";
    }
    if (state.auth.type !== "notYet" || this.options.chap === null)
      throw new Refused(LOGIN_STATUS.INITIATOR_ERROR, "AuthMethod was sent twice");
    if (!offered.includes("CHAP")) throw new Refused(LOGIN_STATUS.AUTHENTICATION_FAILED, "CHAP is required");
    state.auth = { type: "chap", chap: new Chap(this.options.chap, this.options.random) };
    return "CHAP";
  }

  #negotiate(identity: Identity, pairs: readonly Pair[], answers: Pair[]): void {
    if (pairs.some(([name]) => name === "AuthMethod" || name.startsWith("CHAP_")))
      throw new Refused(LOGIN_STATUS.INITIATOR_ERROR, "authentication keys outside the security stage");
    answers.push(...this.#negotiation.answer(pairs, identity.session));
    if (this.#declared) return;
    this.#declared = true;
    answers.push(["MaxRecvDataSegmentLength", String(MAX_RECV_DATA_SEGMENT_LENGTH)]);
  }

  #mayLeave(state: LoginState & { stage: "security" | "operational" }): boolean {
    if (state.stage === "operational") return true;
    if (state.auth.type === "notYet")
      throw new Refused(LOGIN_STATUS.AUTHENTICATION_FAILED, "authentication was skipped");
    return state.auth.type !== "chap";
  }

  #continue(request: LoginRequest, transit: boolean, answers: readonly Pair[]): LoginStep {
    const bhs = this.#respond(request, { transit, tsih: request.tsih, status: LOGIN_STATUS.SUCCESS });
    return { type: "respond", bhs, data: encodeText(answers) };
  }

  #complete(request: LoginRequest, identity: Identity, answers: readonly Pair[]): LoginStep {
    const result: LoginResult = {
      ...identity,
      isid: request.isid,
      cid: request.cid,
      negotiated: this.#negotiation.result(),
      maxRecvDataSegmentLength: this.#declared
        ? MAX_RECV_DATA_SEGMENT_LENGTH
        : KEYS.MaxRecvDataSegmentLength.initial,
      expCmdSn: request.cmdSn,
      statSn: (this.#statSn + 1) >>> 0,
    };
    const finish = (tsih: number): { bhs: Buffer; data: Buffer } => ({
      bhs: this.#respond(request, { transit: true, tsih, status: LOGIN_STATUS.SUCCESS }),
      data: encodeText(answers),
    });
    return { type: "complete", result, finish };
  }

  #respond(request: LoginRequest, answer: { transit: boolean; tsih: number; status: LoginStatus }): Buffer {
    const { isid, itt, currentStage, nextStage, cmdSn } = request;
    const maxCmdSn = (cmdSn + this.options.commandWindow - 1) >>> 0;
    const sequence = { statSn: this.#statSn, expCmdSn: cmdSn, maxCmdSn };
    this.#statSn = (this.#statSn + 1) >>> 0;
    return encodeLoginResponse({ isid, itt, currentStage, nextStage, ...answer, ...sequence });
  }
}

const STAGE_NUMBER = {
  security: STAGE.SECURITY,
  operational: STAGE.OPERATIONAL,
  done: STAGE.FULL_FEATURE,
} as const;
