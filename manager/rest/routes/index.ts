/** All routes. */
import type { Backend } from "../backend.js";
import { COLLECTIONS, type CollectionName, type ListSource } from "../collections.js";
import type { Item } from "../http/envelope.js";
import { missing } from "../http/errors.js";
import { collection, item, type Route } from "../http/router.js";
import { schemaItem, schemaItems } from "../resources/schema.js";
import { isSchemaId, pluralOf, SCHEMAS, schemaOf, type SchemaId } from "../schemas/index.js";
import { nodeRoutes } from "./nodes.js";
import { notYetRoutes } from "./not-yet.js";
import { settingRoutes } from "./settings.js";
import { snapshotRoutes } from "./snapshots.js";
import { volumeActionRoutes } from "./volume-actions.js";
import { volumeUpdateRoutes } from "./volume-updates.js";
import { volumeRoutes } from "./volumes.js";

/** @param metrics in Prometheus' text format, and its type */
export function allRoutes(backend: Backend, metrics: () => Promise<{ type: string; text: string }>): Route[] {
  return [
    ...rootRoutes(),
    { method: "GET", path: "/metrics", handle: async () => ({ reply: "text", ...(await metrics()) }) },
    ...(Object.keys(COLLECTIONS) as CollectionName[])
      // Streams alone have them: a volume's backups are an action of the backup volume.
      .filter((name) => name !== "backups")
      .map((name) => listRoute(backend, name)),
    ...volumeRoutes(backend),
    ...volumeActionRoutes(backend),
    ...volumeUpdateRoutes(backend),
    ...snapshotRoutes(backend),
    ...nodeRoutes(backend),
    ...settingRoutes(backend),
    ...notYetRoutes(backend),
  ];
}

function listRoute(backend: Backend, name: CollectionName): Route {
  const source: ListSource = COLLECTIONS[name];
  return {
    method: "GET",
    path: `/v1/${name}`,
    handle: async () => ({
      reply: "collection",
      collection: {
        of: source.of,
        items: await source.list(backend),
        createTypes: name === "volumes",
      },
    }),
  };
}

function rootRoutes(): Route[] {
  return [
    {
      method: "GET",
      path: "/",
      handle: () => Promise.resolve(collection("apiVersion", [apiVersion()])),
    },
    { method: "GET", path: "/v1", handle: () => Promise.resolve(item(apiVersion())) },
    {
      method: "GET",
      path: "/v1/apiversions",
      handle: () => Promise.resolve(collection("apiVersion", [apiVersion()])),
    },
    { method: "GET", path: "/v1/apiversions/v1", handle: () => Promise.resolve(item(apiVersion())) },
    {
      method: "GET",
      path: "/v1/schemas",
      handle: () => Promise.resolve(collection("schema", schemaItems())),
    },
    {
      method: "GET",
      path: "/v1/schemas/{id}",
      handle: ({ params: { id = "" } }) => {
        const found = Object.keys(SCHEMAS).find((one) => one.toLowerCase() === id.toLowerCase());
        if (found === undefined || !isSchemaId(found)) return Promise.reject(missing("schema", id));
        return Promise.resolve(item(schemaItem(found)));
      },
    },
  ];
}

/** The version, with where everything is. */
function apiVersion(): Item<"apiVersion"> {
  return {
    type: "apiVersion",
    id: "v1",
    actions: [],
    body: {},
    links: (urls) => {
      const ids = (Object.keys(SCHEMAS) as SchemaId[]).filter(
        (id) => (schemaOf(id).collectionMethods ?? ["GET"]).length > 0,
      );
      const collections = ids.map((id) => [pluralOf(id), urls.collection(id)]);
      return { self: urls.root, latest: urls.root, ...(Object.fromEntries(collections) as object) };
    },
  };
}
