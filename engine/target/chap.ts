/**
 * CHAP of the target, one-way and mutual, RFC 7143 (CHAP) on RFC 1994. Pure but for the random challenge.
 *
 *   start --CHAP_A--> challenged --CHAP_N CHAP_R [CHAP_I CHAP_C]--> done
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { BINARY_BYTES_MAX, CHAP_CHALLENGE_BYTES, CHAP_SECRET_BYTES_MIN } from "./limits.js";
import { parseNumber } from "./negotiation.js";
import type { Pair } from "./text.js";

/** Algorithms by the numbers of IANA's PPP authentication registry. MD5 is the one every initiator has. */
export const ALGORITHMS: ReadonlyMap<string, { hash: string; length: number }> = new Map([
  ["5", { hash: "md5", length: 16 }],
  ["6", { hash: "sha1", length: 20 }],
  ["7", { hash: "sha256", length: 32 }],
  ["8", { hash: "sha3-256", length: 32 }],
]);

export interface ChapCredentials {
  name: string;
  secret: string;
}

export interface ChapOptions {
  /** what the initiator proves */
  initiator: ChapCredentials;
  /** what the target proves, when asked to; absent: mutual CHAP is refused */
  target?: ChapCredentials;
}

/** @throws {RangeError} secrets too short, or the same in both directions, which a reflected challenge would reveal */
export function checkChapOptions(options: ChapOptions): void {
  for (const credentials of [options.initiator, options.target]) {
    if (credentials === undefined) continue;
    if (credentials.name === "") throw new RangeError("a CHAP name is empty");
    if (Buffer.byteLength(credentials.secret) < CHAP_SECRET_BYTES_MIN)
      throw new RangeError(
        `the CHAP secret of ${credentials.name} is shorter than ${CHAP_SECRET_BYTES_MIN} bytes`,
      );
  }
  if (options.initiator.secret === options.target?.secret)
    throw new RangeError("the CHAP secrets of both directions are the same");
}

/** A large binary value: `0x` and hexadecimal digits or `0b` and base64; null when malformed or too long. */
export function decodeBinary(value: string): Buffer | null {
  const text = value.slice(2);
  const prefix = value.slice(0, 2).toLowerCase();
  let bytes: Buffer;
  if (prefix === "0x" && /^[0-9a-fA-F]+$/.test(text)) {
    bytes = Buffer.from(text.length % 2 === 0 ? text : `0${text}`, "hex");
  } else if (prefix === "0b" && text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)) {
    bytes = Buffer.from(text, "base64");
  } else {
    return null;
  }
  return bytes.length <= BINARY_BYTES_MAX ? bytes : null;
}

export function encodeBinary(bytes: Buffer): string {
  return `0x${bytes.toString("hex")}`;
}

/** The digest of RFC 1994: one byte identifier, secret, challenge. */
export function chapResponse(hash: string, identifier: number, secret: string, challenge: Buffer): Buffer {
  return createHash(hash).update(Buffer.of(identifier)).update(secret).update(challenge).digest();
}

type ChapState =
  | { stage: "start" }
  | { stage: "challenged"; hash: string; length: number; identifier: number; challenge: Buffer }
  | { stage: "done" };

/** `failed` names what was wrong for the log; the initiator learns only that authentication failed. */
export type ChapStep = { type: "continue" | "done"; pairs: Pair[] } | { type: "failed"; reason: string };

export class Chap {
  #state: ChapState = { stage: "start" };

  constructor(
    private readonly options: ChapOptions,
    private readonly random: (length: number) => Buffer = randomBytes,
  ) {}

  /** @param keys the CHAP_ keys of one login text */
  step(keys: ReadonlyMap<string, string>): ChapStep {
    switch (this.#state.stage) {
      case "start":
        return this.#challenge(keys);
      case "challenged":
        return this.#verify(keys, this.#state);
      case "done":
        return { type: "failed", reason: "CHAP keys after authentication" };
    }
  }

  #challenge(keys: ReadonlyMap<string, string>): ChapStep {
    const offered = keys.get("CHAP_A");
    if (offered === undefined) return { type: "failed", reason: "CHAP_A is missing" };
    const number = offered.split(",").find((item) => ALGORITHMS.has(item));
    const algorithm = ALGORITHMS.get(number ?? "");
    if (number === undefined || algorithm === undefined)
      return { type: "failed", reason: "no known CHAP algorithm" };
    const identifier = this.random(1).readUInt8(0);
    const challenge = this.random(CHAP_CHALLENGE_BYTES);
    this.#state = { stage: "challenged", ...algorithm, identifier, challenge };
    return {
      type: "continue",
      pairs: [["CHAP_A", number], ["CHAP_I", String(identifier)], ["CHAP_C", encodeBinary(challenge)]],
    }; // prettier-ignore
  }

  #verify(keys: ReadonlyMap<string, string>, state: ChapState & { stage: "challenged" }): ChapStep {
    const name = keys.get("CHAP_N");
    const response = decodeBinary(keys.get("CHAP_R") ?? "");
    if (name === undefined) return { type: "failed", reason: "CHAP_N is missing" };
    if (response?.length !== state.length)
      return { type: "failed", reason: "CHAP_R is missing or malformed" };
    const expected = chapResponse(
      state.hash,
      state.identifier,
      this.options.initiator.secret,
      state.challenge,
    );
    // Both are always compared: how long it takes must not tell a wrong name from a wrong secret.
    const responseMatches = timingSafeEqual(expected, response);
    const nameMatches = timingSafeEqual(digestOf(name), digestOf(this.options.initiator.name));
    if (!responseMatches || !nameMatches) return { type: "failed", reason: "wrong CHAP name or secret" };
    this.#state = { stage: "done" };
    return this.#prove(keys, state);
  }

  #prove(keys: ReadonlyMap<string, string>, state: ChapState & { stage: "challenged" }): ChapStep {
    const identifierText = keys.get("CHAP_I");
    const challengeText = keys.get("CHAP_C");
    if (identifierText === undefined && challengeText === undefined) return { type: "done", pairs: [] };
    const target = this.options.target;
    if (target === undefined) return { type: "failed", reason: "mutual CHAP is not configured" };
    const identifier = parseNumber(identifierText ?? "", 0, 255);
    const challenge = decodeBinary(challengeText ?? "");
    if (identifier === null || challenge === null)
      return { type: "failed", reason: "CHAP_I or CHAP_C is missing or malformed" };
    if (challenge.equals(state.challenge))
      return { type: "failed", reason: "the challenge is our own, reflected" };
    const response = chapResponse(state.hash, identifier, target.secret, challenge);
    return { type: "done", pairs: [["CHAP_N", target.name], ["CHAP_R", encodeBinary(response)]] }; // prettier-ignore
  }
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
