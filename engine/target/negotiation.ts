/**
 * Login and operational text keys, RFC 7143 §13, as one table, and the target's side of negotiating them.
 *
 * The initiator offers or declares; we answer every offer once. A key may be sent once in a login. What was never sent
 * keeps its initial value.
 */
import { FIRST_BURST_LENGTH, MAX_BURST_LENGTH, MAX_OUTSTANDING_R2T } from "./limits.js";
import type { Pair } from "./text.js";

type Scope = "any" | "normal";

/** How a key's value comes about. `ours` is what the target would have. */
type KeyRule =
  /** both offer a number, `agree` combines them */
  | {
      kind: "number";
      initial: number;
      min: number;
      max: number;
      ours: number;
      agree: "min" | "max";
      scope: Scope;
    }
  /** both offer Yes or No */
  | { kind: "boolean"; initial: boolean; ours: boolean; agree: "and" | "or"; scope: Scope }
  /** the initiator offers a list in its order of preference, the first that we know is taken */
  | { kind: "list"; initial: string; known: readonly string[]; scope: Scope }
  /** the initiator says a number, nobody answers */
  | { kind: "declaredNumber"; initial: number; min: number; max: number; scope: Scope }
  /** the initiator says something that login looks at, nobody answers */
  | { kind: "declared" }
  /** only a target may say this */
  | { kind: "targetOnly" }
  /** was a key once, is answered with a fixed value (§13.25) */
  | { kind: "obsolete"; answer: string };

const DIGESTS = ["CRC32C", "None"] as const;

/** `scope: normal` makes a key Irrelevant in a discovery session. */
export const KEYS = {
  // §13.1
  HeaderDigest: { kind: "list", initial: "None", known: DIGESTS, scope: "any" },
  DataDigest: { kind: "list", initial: "None", known: DIGESTS, scope: "any" },
  // §13.2
  MaxConnections: { kind: "number", initial: 1, min: 1, max: 65_535, ours: 1, agree: "min", scope: "normal" },
  // §13.4 to §13.9
  TargetName: { kind: "declared" },
  InitiatorName: { kind: "declared" },
  InitiatorAlias: { kind: "declared" },
  TargetAlias: { kind: "targetOnly" },
  TargetAddress: { kind: "targetOnly" },
  TargetPortalGroupTag: { kind: "targetOnly" },
  // §13.10 to §13.14; lengths in bytes
  InitialR2T: { kind: "boolean", initial: true, ours: false, agree: "or", scope: "normal" },
  ImmediateData: { kind: "boolean", initial: true, ours: true, agree: "and", scope: "normal" },
  MaxRecvDataSegmentLength: { kind: "declaredNumber", initial: 8_192, min: 512, max: 0xff_ffff, scope: "any" },
  MaxBurstLength: {
    kind: "number", initial: 262_144, min: 512, max: 0xff_ffff, ours: MAX_BURST_LENGTH, agree: "min", scope: "normal",
  },
  FirstBurstLength: {
    kind: "number", initial: 65_536, min: 512, max: 0xff_ffff, ours: FIRST_BURST_LENGTH, agree: "min", scope: "normal",
  },
  // §13.15, §13.16; seconds
  DefaultTime2Wait: { kind: "number", initial: 2, min: 0, max: 3_600, ours: 2, agree: "max", scope: "any" },
  DefaultTime2Retain: { kind: "number", initial: 20, min: 0, max: 3_600, ours: 0, agree: "min", scope: "any" },
  // §13.17 to §13.21
  MaxOutstandingR2T: {
    kind: "number", initial: 1, min: 1, max: 65_535, ours: MAX_OUTSTANDING_R2T, agree: "min", scope: "normal",
  },
  DataPDUInOrder: { kind: "boolean", initial: true, ours: true, agree: "or", scope: "normal" },
  DataSequenceInOrder: { kind: "boolean", initial: true, ours: true, agree: "or", scope: "normal" },
  ErrorRecoveryLevel: { kind: "number", initial: 0, min: 0, max: 2, ours: 0, agree: "min", scope: "any" },
  SessionType: { kind: "declared" },
  // §13.23, §13.24
  TaskReporting: { kind: "list", initial: "RFC3720", known: ["RFC3720"], scope: "normal" },
  iSCSIProtocolLevel: { kind: "number", initial: 1, min: 0, max: 31, ours: 1, agree: "min", scope: "any" },
  // §13.25
  OFMarker: { kind: "obsolete", answer: "No" },
  IFMarker: { kind: "obsolete", answer: "No" },
  OFMarkInt: { kind: "obsolete", answer: "Reject" },
  IFMarkInt: { kind: "obsolete", answer: "Reject" },
} as const satisfies Record<string, KeyRule>; // prettier-ignore

const RULES = new Map<string, KeyRule>(Object.entries(KEYS));

/** What a login has come to, in the types of `SessionParameters`. */
export interface Negotiated {
  headerDigest: boolean;
  dataDigest: boolean;
  initiatorMaxRecvDataSegmentLength: number;
  maxBurstLength: number;
  firstBurstLength: number;
  initialR2T: boolean;
  immediateData: boolean;
  maxOutstandingR2T: number;
  defaultTime2Wait: number;
  defaultTime2Retain: number;
}

/** A negotiation that cannot go on; login ends with an initiator error. */
export class NegotiationError extends Error {
  override readonly name = "NegotiationError";
}

const NUMBER = /^(?:0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})$/;

/** A numerical value in decimal or hexadecimal; null when malformed or out of `[min, max]`. */
export function parseNumber(value: string, min: number, max: number): number | null {
  if (!NUMBER.test(value)) return null;
  const number = Number(value);
  return number >= min && number <= max ? number : null;
}

/** One login's operational parameters. `answer` is called with each complete text of the initiator. */
export class Negotiation {
  readonly #values = new Map<string, number | boolean | string>();
  readonly #seen = new Set<string>();

  /** @returns our answers, in the order of the offers
   * @throws {NegotiationError} a key came twice, or a declaration is out of range */
  answer(pairs: readonly Pair[], session: "normal" | "discovery"): Pair[] {
    const answers: Pair[] = [];
    for (const [name, value] of pairs) {
      const rule = RULES.get(name);
      if (this.#seen.has(name)) throw new NegotiationError(`${name} was sent twice`);
      this.#seen.add(name);
      const answer = rule === undefined ? "NotUnderstood" : this.#one(name, rule, value, session);
      if (answer !== null) answers.push([name, answer]);
    }
    return answers;
  }

  #one(name: string, rule: KeyRule, value: string, session: "normal" | "discovery"): string | null {
    switch (rule.kind) {
      case "declared":
        return null;
      case "targetOnly":
        throw new NegotiationError(`${name} is the target's to send`);
      case "obsolete":
        return rule.answer;
      case "declaredNumber": {
        const number = parseNumber(value, rule.min, rule.max);
        if (number === null) throw new NegotiationError(`${name} is out of range`);
        this.#values.set(name, number);
        return null;
      }
      default:
        break;
    }
    if (rule.scope === "normal" && session === "discovery") return "Irrelevant";
    // FirstBurstLength does not matter, MaxOutstandingR2T does: solicited data are always possible.
    if (name === "FirstBurstLength" && this.#get("InitialR2T") && !this.#get("ImmediateData"))
      return "Irrelevant";
    const result = agree(rule, value);
    if (result === null) return "Reject";
    this.#values.set(name, result);
    return typeof result === "boolean" ? (result ? "Yes" : "No") : String(result);
  }

  #get<K extends keyof typeof KEYS>(
    name: K,
  ): (typeof KEYS)[K] extends { initial: infer T } ? Widen<T> : never {
    const rule = KEYS[name];
    const value = this.#values.get(name) ?? ("initial" in rule ? rule.initial : undefined);
    return value as (typeof KEYS)[K] extends { initial: infer T } ? Widen<T> : never;
  }

  /** The session's parameters as they stand. */
  result(): Negotiated {
    const maxBurstLength = this.#get("MaxBurstLength");
    return {
      headerDigest: this.#get("HeaderDigest") === "CRC32C",
      dataDigest: this.#get("DataDigest") === "CRC32C",
      initiatorMaxRecvDataSegmentLength: this.#get("MaxRecvDataSegmentLength"),
      maxBurstLength,
      // An initiator may leave FirstBurstLength at its initial value and lower the other (§13.14 forbids more).
      firstBurstLength: Math.min(this.#get("FirstBurstLength"), maxBurstLength),
      initialR2T: this.#get("InitialR2T"),
      immediateData: this.#get("ImmediateData"),
      maxOutstandingR2T: this.#get("MaxOutstandingR2T"),
      defaultTime2Wait: this.#get("DefaultTime2Wait"),
      defaultTime2Retain: this.#get("DefaultTime2Retain"),
    };
  }
}

type Widen<T> = T extends number ? number : T extends boolean ? boolean : string;

/** The result of one offer; null when the offer is malformed or nothing in it is known. */
function agree(
  rule: KeyRule & { kind: "number" | "boolean" | "list" },
  value: string,
): number | boolean | string | null {
  switch (rule.kind) {
    case "number": {
      const offered = parseNumber(value, rule.min, rule.max);
      if (offered === null) return null;
      return rule.agree === "min" ? Math.min(offered, rule.ours) : Math.max(offered, rule.ours);
    }
    case "boolean": {
      if (value !== "Yes" && value !== "No") return null;
      const offered = value === "Yes";
      return rule.agree === "and" ? offered && rule.ours : offered || rule.ours;
    }
    case "list":
      return value.split(",").find((item) => rule.known.includes(item)) ?? null;
  }
}
