/** Resources as they are sent: with id, type, links and actions around the fields that their schema has. */
import { fieldOf, schemaOf, wireType, type Body, type SchemaId, type WireType } from "../schemas/index.js";
import type { Urls } from "./urls.js";

/** One resource. */
export interface Item<Id extends SchemaId> {
  type: Id;
  /** "": it has none, and its URL is the request's */
  id: string;
  /** actions that it allows now */
  actions: readonly string[];
  body: Body<Id>;
  /** more links than that to itself, as URLs */
  links?: (urls: Urls) => Record<string, string>;
}

export type AnyItem = { [Id in SchemaId]: Item<Id> }[SchemaId];

export interface Collection {
  of: SchemaId;
  items: readonly AnyItem[];
  /** clients are told where new ones are created */
  createTypes?: boolean;
}

export function renderItem({ type, id, body, actions, links }: AnyItem, urls: Urls): object {
  const actionUrls = actions.map((action) => [action, urls.action(type, id, action)]);
  return {
    ...(id === "" ? {} : { id }),
    type,
    links: { self: urls.resource(type, id), ...links?.(urls) },
    actions: Object.fromEntries(actionUrls) as Record<string, string>,
    ...renderFields(type, body),
  };
}

export function renderCollection({ of, items, createTypes }: Collection, urls: Urls): object {
  return {
    type: "collection",
    resourceType: of,
    links: { self: urls.current },
    data: items.map((item) => renderItem(item, urls)),
    ...(createTypes === true ? { createTypes: { [of]: urls.collection(of) } } : {}),
  };
}

function renderFields(id: SchemaId, body: object): Record<string, unknown> {
  const values = body as Record<string, unknown>;
  const rendered: Record<string, unknown> = {};
  for (const [name, type] of typesOf(id)) {
    const value = values[name];
    if (value !== undefined) rendered[name] = render(type, value);
  }
  return rendered;
}

function render(type: WireType, value: unknown): unknown {
  if (value === null) return null;
  switch (type.kind) {
    case "array":
      return (value as unknown[]).map((entry) => render(type.of, entry));
    case "map":
      return Object.fromEntries(
        Object.entries(value as object).map(([key, entry]) => [key, render(type.of, entry)]),
      );
    case "schema":
      return renderNested(type.id, value as object);
    default:
      return value;
  }
}

function renderNested(id: SchemaId, value: object): object {
  const rendered = renderFields(id, value);
  if (schemaOf(id).resource !== true) return rendered;
  const { id: own } = value as { id?: string };
  return { ...(own === undefined ? {} : { id: own }), links: null, actions: null, ...rendered };
}

const types = new Map<SchemaId, readonly [string, WireType][]>();

function typesOf(id: SchemaId): readonly [string, WireType][] {
  let found = types.get(id);
  if (found === undefined) {
    const entry = schemaOf(id);
    found = Object.keys(entry.fields).map((name) => [
      name,
      wireType(fieldOf(entry, name) ?? { type: "any" }),
    ]);
    types.set(id, found);
  }
  return found;
}
