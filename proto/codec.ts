/**
 * From generated protobuf classes to plain objects: every field is there (absent ones have their zero value, absent
 * messages are null), 64-bit integers are numbers.
 */

/** What of a class made by `generate.mjs` is used here. */
export interface GeneratedType {
  encode(message: object): { finish(): Uint8Array };
  decode(bytes: Uint8Array): object;
  toObject(message: never, options: { defaults: true; longs: typeof Number }): object;
}

export interface Codec<T> {
  serialize: (message: Partial<T>) => Buffer;
  /** @throws {RangeError} for an integer above 2^53 - 1; some Error for bytes that are no message of the type */
  deserialize: (bytes: Uint8Array) => T;
}

export function codec<T extends object>(type: GeneratedType): Codec<T> {
  return {
    serialize(message) {
      const bytes = type.encode(message).finish();
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    deserialize(bytes) {
      const message = type.toObject(type.decode(bytes) as never, { defaults: true, longs: Number });
      refuseInexact(message);
      return message as T;
    },
  };
}

export type Empty = Record<string, never>;

/** `google.protobuf.Empty`. What a later version may put into it is ignored. */
export const emptyCodec: Codec<Empty> = { serialize: () => Buffer.alloc(0), deserialize: () => ({}) };

/** Longhorn's time of a head's last change, in nanoseconds: a number tells it to a quarter of a microsecond. */
const APPROXIMATE = new Set(["lastModifyTime"]);

// A number above 2^53 would silently stand for another one; sizes, offsets and generations never get there.
function refuseInexact(message: object): void {
  for (const name of Object.keys(message)) {
    const value = (message as Record<string, unknown>)[name];
    if (typeof value === "number") {
      if (!Number.isSafeInteger(value) && !APPROXIMATE.has(name))
        throw new RangeError(`field ${name} is out of range: ${value}`);
    } else if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
      refuseInexact(value);
    }
  }
}
