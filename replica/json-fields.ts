/** Reading Longhorn's metadata: JSON objects whose missing keys have zero values and whose unknown keys are kept. */
import { ReplicaError } from "./replica-error.js";

/** A parsed object with all of its keys, in their order. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** @throws {ReplicaError} `DAMAGED`, naming `path` */
export function parseObject(text: string, path: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ReplicaError("DAMAGED", `${path} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ReplicaError("DAMAGED", `${path} is not a JSON object`);
  }
  return value as JsonObject;
}

/** The text of a file: one line, and as Go's encoding/json writes it, with the characters of HTML escaped. */
export function formatObject(object: JsonObject): string {
  const escaped = JSON.stringify(object).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `${escaped}\n`;
}

/** Typed access to the keys of one object. `null` counts as absent. */
export class Fields {
  constructor(
    readonly object: JsonObject,
    private readonly path: string,
  ) {}

  string(key: string): string {
    return this.typed(key, "a string", "", (value) => typeof value === "string");
  }

  boolean(key: string): boolean {
    return this.typed(key, "true or false", false, (value) => typeof value === "boolean");
  }

  /** An integer from 0 to 2^53 - 1. */
  count(key: string): number {
    return this.typed(
      key,
      "a number of at least 0",
      0,
      (value) => Number.isSafeInteger(value) && Number(value) >= 0,
    );
  }

  strings(key: string): string[] {
    const isText = (value: unknown) => typeof value === "string";
    return this.typed<string[]>(
      key,
      "a list of strings",
      [],
      (value) => Array.isArray(value) && value.every(isText),
    );
  }

  children(key: string): Fields[] {
    const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
    const list = this.typed<JsonObject[]>(
      key,
      "a list of objects",
      [],
      (value) => Array.isArray(value) && value.every(isObject),
    );
    return list.map((object) => new Fields(object, this.path));
  }

  child(key: string): JsonObject | null {
    return this.typed<JsonObject | null>(
      key,
      "an object",
      null,
      (v) => typeof v === "object" && !Array.isArray(v),
    );
  }

  private typed<T>(key: string, expected: string, absent: T, is: (value: unknown) => boolean): T {
    const value = Object.hasOwn(this.object, key) ? this.object[key] : undefined;
    if (value === undefined || value === null) return absent;
    if (!is(value)) throw new ReplicaError("DAMAGED", `${this.path}: ${key} is not ${expected}`);
    return value as T;
  }
}
