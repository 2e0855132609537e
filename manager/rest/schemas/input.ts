/**
 * What clients give, checked by the tables. Keys count without regard to case, as Longhorn's do; what is null is as if it were
 * not there. A key that the schema does not have is refused: it is a word that somebody believes to have an effect.
 */
import { fieldOf, schemaOf, wireType, type Body, type Given, type SchemaId, type WireType } from "./index.js";
import { RESOURCE_FIELDS, type SchemaEntry } from "./schema.js";

export class InvalidInput extends Error {
  override readonly name = "InvalidInput";
}

export interface Expected<Id extends SchemaId, Used extends keyof Body<Id> & string> {
  /** fields that count; the others are known, and left alone, whatever is in them: clients send whole resources back */
  uses: readonly Used[];
  /** of those, which have to be there */
  needs?: readonly Used[];
  /** what known clients send besides, which is of no effect */
  ignores?: readonly string[];
}

/** @throws {InvalidInput} which says what is wrong with which field */
export function checkInput<Id extends SchemaId, Used extends keyof Body<Id> & string>(
  id: Id,
  value: unknown,
  { uses, needs = [], ignores = [] }: Expected<Id, Used>,
): Pick<Given<Id>, Used> {
  const entry = schemaOf(id);
  const isUsed = (name: string) => (uses as readonly string[]).includes(name);
  const given = fieldsOf(entry, id, value, ignores, isUsed);
  const lacking = needs.find((name) => given[name] === undefined);
  if (lacking !== undefined) throw new InvalidInput(`${id}: ${lacking} is missing`);
  return given as Pick<Given<Id>, Used>;
}

function fieldsOf(
  entry: SchemaEntry,
  where: string,
  value: unknown,
  ignores: readonly string[],
  isUsed: (name: string) => boolean,
): Record<string, unknown> {
  if (!isObject(value)) throw new InvalidInput(`${where}: has to be an object, not ${excerpt(value)}`);
  const names = Object.keys(entry.fields);
  const known = new Map(
    [...ignores, ...Object.keys(RESOURCE_FIELDS), ...names].map((name) => [name.toLowerCase(), name]),
  );
  const fields: Record<string, unknown> = {};
  for (const [key, entryValue] of Object.entries(value)) {
    const name = known.get(key.toLowerCase());
    if (name === undefined) throw new InvalidInput(`${where}: ${excerpt(key)} is no field of it`);
    const field = fieldOf(entry, name);
    if (field === null || entryValue === null || !isUsed(name)) continue;
    if (Object.hasOwn(fields, name)) throw new InvalidInput(`${where}: ${name} is given twice`);
    fields[name] = valueOf(wireType(field), `${where}: ${name}`, entryValue);
  }
  return fields;
}

function valueOf(type: WireType, where: string, value: unknown): unknown {
  const expect = (what: string, isIt: boolean): unknown => {
    if (!isIt) throw new InvalidInput(`${where}: has to be ${what}, not ${excerpt(value)}`);
    return value;
  };
  switch (type.kind) {
    case "string":
      return expect("a text", typeof value === "string");
    case "bool":
      return expect("true or false", typeof value === "boolean");
    case "int":
      return expect("a whole number", Number.isSafeInteger(value));
    case "float":
      return expect("a number", typeof value === "number");
    case "any":
      return value;
    case "array":
      expect("a list", Array.isArray(value));
      return (value as unknown[]).map((one, i) => valueOf(type.of, `${where}[${i}]`, one));
    case "map":
      expect("an object", isObject(value));
      return Object.fromEntries(
        Object.entries(value as object).map(([key, one]) => [key, valueOf(type.of, `${where}.${key}`, one)]),
      );
    case "schema":
      return fieldsOf(schemaOf(type.id), where, value, READ_ONLY[type.id] ?? [], () => true);
  }
}

/** Clients change what they have read, and give all of it back. */
const READ_ONLY: Partial<Record<SchemaId, readonly string[]>> = {
  diskUpdate: Object.keys(schemaOf("diskInfo").fields),
};

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const EXCERPT_LENGTH = 60;

function excerpt(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > EXCERPT_LENGTH ? `${text.slice(0, EXCERPT_LENGTH)}...` : text;
}
