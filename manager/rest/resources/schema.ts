/** The schemas as they are published: what a client needs to know to work with the API. */
import type { Item } from "../http/envelope.js";
import { pluralOf, SCHEMAS, schemaOf, type SchemaId } from "../schemas/index.js";
import { RESOURCE_FIELDS, type FieldTable } from "../schemas/schema.js";

export function schemaItems(): Item<"schema">[] {
  return (Object.keys(SCHEMAS) as SchemaId[]).map(schemaItem);
}

export function schemaItem(id: SchemaId): Item<"schema"> {
  const entry = schemaOf(id);
  const { collectionMethods = ["GET"], resourceMethods = ["GET"], actions = {} } = entry;
  const fields = { ...(entry.resource === true ? RESOURCE_FIELDS : {}), ...entry.fields };
  return {
    type: "schema",
    id,
    actions: [],
    links: (urls) => (collectionMethods.length > 0 ? { collection: urls.collection(id) } : {}),
    body: {
      pluralName: pluralOf(id),
      collectionMethods: [...collectionMethods],
      resourceMethods: [...resourceMethods],
      resourceFields: Object.fromEntries(
        Object.entries(fields).map(([name, field]) => [name, publishedField(field)]),
      ),
      resourceActions: { ...actions },
      collectionActions: {},
      collectionFields: {},
      collectionFilters: {},
      includeableLinks: [],
    },
  };
}

function publishedField(field: string | FieldTable): object {
  if (typeof field === "string") return { type: field };
  return Object.fromEntries(Object.entries(field).filter(([key]) => !UNPUBLISHED.has(key)));
}

/** Where the wire differs is for this program alone: clients have the types that they know. */
const UNPUBLISHED: ReadonlySet<string> = new Set(["wire", "mayBeNull", "mayBeAbsent"]);
