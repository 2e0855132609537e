/**
 * What a schema of the API is. Types are texts, as they are published; what is really sent and taken, where that differs, is
 * `wire`. Values are checked by these tables, and the types of resources in this program are made of them.
 */

export type Method = "GET" | "POST" | "PUT" | "DELETE";

export interface FieldTable {
  /** "string", "int", "bool", "map[T]", "array[T]", the id of a schema, or a name that only says what it is like */
  readonly type: string;
  readonly wire?: string;
  readonly mayBeNull?: boolean;
  readonly mayBeAbsent?: boolean;
  readonly create?: boolean;
  readonly update?: boolean;
  readonly required?: boolean;
  readonly unique?: boolean;
  readonly nullable?: boolean;
  /** for people who fill in forms: nobody applies it */
  readonly default?: string | number | boolean;
}

export interface ActionTable {
  readonly input?: string;
  readonly output?: string;
}

export interface SchemaEntry {
  /** its id and an "s", if absent */
  readonly plural?: string;
  /** it has an id, a type, links and actions besides its fields */
  readonly resource?: boolean;
  /** GET alone, if absent */
  readonly collectionMethods?: readonly Method[];
  readonly resourceMethods?: readonly Method[];
  readonly fields: Readonly<Record<string, string | FieldTable>>;
  readonly actions?: Readonly<Record<string, ActionTable>>;
}

export type SchemaTable = Readonly<Record<string, SchemaEntry>>;

/** Fields of every resource. */
export const RESOURCE_FIELDS = {
  actions: "map[string]",
  id: "string",
  links: "map[string]",
  type: "string",
} as const;
