/** Snapshots: as the engine has them, and as objects. */
import type { SchemaTable } from "./schema.js";

export const SNAPSHOT = {
  snapshot: {
    resource: true,
    fields: {
      checksum: "string",
      children: "map[bool]",
      created: "string",
      labels: "map[string]",
      name: "string",
      parent: "string",
      removed: "bool",
      size: "string",
      usercreated: "bool",
    },
  },
  snapshotInput: {
    fields: {
      backupMode: "string",
      labels: "map[string]",
      name: "string",
    },
  },
  snapshotListOutput: {
    fields: {
      data: "array[snapshot]",
      type: "string",
    },
  },
  snapshotCR: {
    resource: true,
    fields: {
      checksum: "string",
      children: { type: "map[bool]", mayBeNull: true },
      crCreationTime: "string",
      createSnapshot: "bool",
      creationTime: "string",
      error: { type: "string", mayBeAbsent: true },
      labels: "map[string]",
      markRemoved: "bool",
      name: "string",
      ownerID: "string",
      parent: "string",
      readyToUse: "bool",
      restoreSize: "int",
      size: "int",
      userCreated: "bool",
      volume: "string",
    },
  },
  snapshotCRInput: {
    fields: {
      labels: "map[string]",
      name: "string",
    },
  },
  snapshotCRListOutput: {
    fields: {
      data: "array[snapshotCR]",
      type: "string",
    },
  },
} as const satisfies SchemaTable;
