/** Text format of login and text PDUs, RFC 7143 (text format): `name=value` pairs, each ended by a zero byte. */
import { KEY_NAME_BYTES_MAX, KEY_VALUE_BYTES_MAX, TEXT_BYTES_MAX, TEXT_KEYS_MAX } from "./limits.js";

export type Pair = readonly [name: string, value: string];

/** Text that breaks the format or a limit; the message names what was wrong. */
export class TextError extends Error {
  override readonly name = "TextError";
}

/** Keys whose value may pass 255 bytes because it is a large binary value (RFC 7143, text format). */
const LONG_VALUES = new Set(["CHAP_C", "CHAP_R"]);
const LONG_VALUE_BYTES_MAX = 4_096;

const NAME = /^[A-Z#][A-Za-z0-9.+@_-]*$/;

/** @throws {TextError} */
export function parseText(bytes: Uint8Array): Pair[] {
  // latin1 keeps every byte; a value that is not ASCII is compared and refused by whoever reads it.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const pairs: Pair[] = [];
  for (const item of text.split("\0")) {
    if (item === "") continue; // the last zero byte, and padding that some initiators count as data
    const at = item.indexOf("=");
    if (at < 0) throw new TextError("a key has no '='");
    const name = item.slice(0, at);
    const value = item.slice(at + 1);
    if (name.length > KEY_NAME_BYTES_MAX || !NAME.test(name)) throw new TextError("a key name is malformed");
    const valueMax = LONG_VALUES.has(name) ? LONG_VALUE_BYTES_MAX : KEY_VALUE_BYTES_MAX;
    if (value.length > valueMax) throw new TextError(`the value of ${name} is too long`);
    if (pairs.length === TEXT_KEYS_MAX) throw new TextError(`more than ${TEXT_KEYS_MAX} keys in one text`);
    pairs.push([name, value]);
  }
  return pairs;
}

export function encodeText(pairs: readonly Pair[]): Buffer {
  return Buffer.from(pairs.map(([name, value]) => `${name}=${value}\0`).join(""), "latin1");
}

/** Collects a text that spans PDUs with the C bit: a pair may be cut anywhere, even inside its name. */
export class TextCollector {
  #parts: Buffer[] = [];
  #length = 0;

  /** @returns the pairs when `more` is false, else null
   * @throws {TextError} */
  add(data: Uint8Array, more: boolean): Pair[] | null {
    this.#length += data.length;
    if (this.#length > TEXT_BYTES_MAX) throw new TextError(`a text is longer than ${TEXT_BYTES_MAX} bytes`);
    this.#parts.push(Buffer.from(data));
    if (more) return null;
    const whole = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    return parseText(whole);
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }
}
