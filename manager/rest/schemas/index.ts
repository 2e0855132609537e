/** All schemas, and the types that follow from them. */
import { BACKUP } from "./backup.js";
import { COMMON } from "./common.js";
import { IMAGE } from "./image.js";
import { NODE } from "./node.js";
import type { FieldTable, SchemaEntry } from "./schema.js";
import { SETTING } from "./setting.js";
import { SNAPSHOT } from "./snapshot.js";
import { VOLUME } from "./volume.js";
import { VOLUME_ACTIONS } from "./volume-actions.js";
import { VOLUME_UPDATES } from "./volume-updates.js";

export const SCHEMAS = {
  ...COMMON,
  ...VOLUME,
  ...VOLUME_ACTIONS,
  ...VOLUME_UPDATES,
  ...SNAPSHOT,
  ...NODE,
  ...SETTING,
  ...BACKUP,
  ...IMAGE,
} as const;

export type SchemaId = keyof typeof SCHEMAS;

type Entry<Id extends SchemaId> = (typeof SCHEMAS)[Id];
type Fields<Id extends SchemaId> = Entry<Id>["fields"];

type WireText<F> = F extends string
  ? F
  : F extends { wire: infer W extends string }
    ? W
    : F extends { type: infer T extends string }
      ? T
      : never;

type ValueOf<T extends string> = T extends "string"
  ? string
  : T extends "int" | "float"
    ? number
    : T extends "bool"
      ? boolean
      : T extends `map[${infer V}]`
        ? Record<string, ValueOf<V>>
        : T extends `array[${infer V}]`
          ? ValueOf<V>[]
          : T extends SchemaId
            ? Nested<T>
            : object;

type FieldValue<F> =
  ValueOf<WireText<F>> | (F extends { nullable: true } | { mayBeNull: true } ? null : never);

type AbsentKeys<Id extends SchemaId> = {
  [K in keyof Fields<Id>]: Fields<Id>[K] extends { mayBeAbsent: true } ? K : never;
}[keyof Fields<Id>];

/** The fields of a resource: what the envelope adds to them is not among them. */
export type Body<Id extends SchemaId> = {
  -readonly [K in Exclude<keyof Fields<Id>, AbsentKeys<Id>>]: FieldValue<Fields<Id>[K]>;
} & { -readonly [K in AbsentKeys<Id>]?: FieldValue<Fields<Id>[K]> };

/** A resource inside of another one has an id only where it says so. */
type Nested<Id extends SchemaId> = Body<Id> &
  (Entry<Id> extends { resource: true } ? { id?: string } : unknown);

/** What was given: any of the fields. */
export type Given<Id extends SchemaId> = Partial<Body<Id>>;

export function isSchemaId(id: string): id is SchemaId {
  return Object.hasOwn(SCHEMAS, id);
}

export function schemaOf(id: SchemaId): SchemaEntry {
  return SCHEMAS[id];
}

export function pluralOf(id: SchemaId): string {
  return schemaOf(id).plural ?? `${id}s`;
}

export function fieldOf(entry: SchemaEntry, name: string): FieldTable | null {
  const field = Object.hasOwn(entry.fields, name) ? entry.fields[name] : undefined;
  if (field === undefined) return null;
  return typeof field === "string" ? { type: field } : field;
}

export type WireType =
  | { kind: "string" | "int" | "float" | "bool" | "any" }
  | { kind: "map" | "array"; of: WireType }
  | { kind: "schema"; id: SchemaId };

/** What a field really holds. */
export function wireType({ type, wire }: FieldTable): WireType {
  return parse(wire ?? type);
}

function parse(text: string): WireType {
  const [, container, of] = /^(map|array)\[(.*)\]$/.exec(text) ?? [];
  if (container !== undefined && of !== undefined)
    return { kind: container as "map" | "array", of: parse(of) };
  if (text === "string" || text === "int" || text === "float" || text === "bool") return { kind: text };
  return isSchemaId(text) ? { kind: "schema", id: text } : { kind: "any" };
}
