/** Settings and recurring jobs. */
import type { SchemaTable } from "./schema.js";

export const SETTING = {
  setting: {
    resource: true,
    resourceMethods: ["GET", "PUT"],
    fields: {
      applied: "bool",
      definition: "settingDefinition",
      name: { type: "string", required: true, unique: true },
      value: { type: "string", update: true, required: true },
    },
  },
  settingDefinition: {
    fields: {
      category: "string",
      dataEngineSpecific: "bool",
      default: "string",
      description: "string",
      displayName: "string",
      floatRange: { type: "map[string]", wire: "map[float]", mayBeAbsent: true },
      options: { type: "array[string]", mayBeAbsent: true },
      range: { type: "map[string]", wire: "map[int]", mayBeAbsent: true },
      readOnly: "bool",
      required: "bool",
      type: "string",
    },
  },
  recurringJob: {
    resource: true,
    collectionMethods: ["GET", "POST"],
    resourceMethods: ["GET", "PUT", "DELETE"],
    fields: {
      concurrency: { type: "int", create: true, required: true },
      cron: { type: "string", create: true, required: true },
      executionCount: "int",
      groups: { type: "array[string]", nullable: true },
      labels: { type: "map[string]", nullable: true },
      name: { type: "string", create: true, required: true, unique: true },
      ownerID: "string",
      parameters: { type: "map[string]", nullable: true },
      retain: { type: "int", create: true, required: true },
      task: "string",
    },
  },
} as const satisfies SchemaTable;
