/**
 * What fields of objects are made of: JSON Schema with types. As in Longhorn's objects, a field that is absent has its zero
 * value: "", 0, false, no entries; so every field has one as its default.
 */
import { Type, type Static, type TProperties, type TSchema } from "@sinclair/typebox";

export const text = () => Type.String({ default: "" });

/** RFC 3339, or "" when there is none. */
export const time = () => Type.String({ default: "", description: "RFC 3339, or empty" });

export const flag = () => Type.Boolean({ default: false });

export const integer = () => Type.Integer({ default: 0 });

/** A number of 64 bits, as decimal digits. */
export const int64Text = () =>
  Type.String({ default: "0", pattern: "^-?[0-9]{1,19}$", description: "a decimal number of 64 bits" });

/** One of some words, or none. */
export const choice = <const W extends string>(...words: W[]) =>
  Type.Union(
    ["" as const, ...words].map((word) => Type.Literal(word)),
    { default: "" },
  );

/** One of some words, the first of which counts where none is given. */
export const choiceOr = <const W extends string>(first: W, ...words: W[]) =>
  Type.Union(
    [first, ...words].map((word) => Type.Literal(word)),
    { default: first },
  );

export const listOf = <T extends TSchema>(item: T) => Type.Array(item, { default: [] });

export const mapOf = <T extends TSchema>(value: T) => Type.Record(Type.String(), value, { default: {} });

export const record = <P extends TProperties>(properties: P) =>
  Type.Object(properties, { default: {}, additionalProperties: false });

/** `status`: "True", "False" or "Unknown" */
export const conditions = () =>
  listOf(
    record({
      type: text(),
      status: text(),
      reason: text(),
      message: text(),
      lastProbeTime: text(),
      lastTransitionTime: text(),
    }),
  );

export type Condition = Static<ReturnType<typeof conditions>>[number];
