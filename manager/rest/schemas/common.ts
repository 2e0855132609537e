/** What every API of this kind has, and what volumes, nodes and the rest share. */
import type { SchemaTable } from "./schema.js";

/** Of conditions of every kind. */
export const CONDITION_FIELDS = {
  lastProbeTime: "string",
  lastTransitionTime: "string",
  message: "string",
  reason: "string",
  status: "string",
  type: "string",
} as const;

export const COMMON = {
  apiVersion: {
    resource: true,
    fields: {},
  },
  schema: {
    resource: true,
    fields: {
      collectionActions: { type: "map[string]", wire: "map[any]" },
      collectionFields: { type: "map[string]", wire: "map[any]" },
      collectionFilters: { type: "map[string]", wire: "map[any]" },
      collectionMethods: "array[string]",
      includeableLinks: "array[string]",
      pluralName: "string",
      resourceActions: { type: "map[string]", wire: "map[any]" },
      resourceFields: { type: "map[string]", wire: "map[any]" },
      resourceMethods: "array[string]",
    },
  },
  error: {
    resource: true,
    fields: {
      code: "string",
      detail: "string",
      message: "string",
      status: "int",
    },
  },
  empty: {
    resource: true,
    fields: {},
  },
  longhornCondition: {
    fields: CONDITION_FIELDS,
  },
  event: {
    resource: true,
    fields: {
      event: "corev1.Event",
      eventType: "string",
    },
  },
  tag: {
    resource: true,
    fields: {
      name: "string",
      tagType: "string",
    },
  },
} as const satisfies SchemaTable;
