/** Images that volumes are based on, and support bundles. */
import type { SchemaTable } from "./schema.js";

export const IMAGE = {
  backingImage: {
    resource: true,
    collectionMethods: ["GET", "POST"],
    resourceMethods: ["GET", "DELETE"],
    fields: {
      currentChecksum: "string",
      dataEngine: "string",
      deletionTimestamp: "string",
      diskFileStatusMap: "map[backingImageDiskFileStatus]",
      diskSelector: "array[string]",
      expectedChecksum: { type: "string", create: true },
      minNumberOfCopies: "int",
      name: { type: "string", create: true, required: true, unique: true },
      nodeSelector: "array[string]",
      parameters: { type: "map[string]", create: true, required: true },
      secret: "string",
      secretNamespace: "string",
      size: "int",
      sourceType: { type: "string", create: true, required: true },
      uuid: "string",
    },
    actions: {
      backingImageCleanup: { input: "backingImageCleanupInput", output: "backingImage" },
      backupBackingImageCreate: {},
      updateMinNumberOfCopies: { input: "updateMinNumberOfCopiesInput", output: "backingImage" },
      upload: {},
    },
  },
  backingImageCleanupInput: {
    fields: {
      disks: "array[string]",
    },
  },
  backingImageDiskFileStatus: {
    plural: "backingImageDiskFileStatuses",
    fields: {
      dataEngine: "string",
      lastStateTransitionTime: "string",
      message: "string",
      progress: "int",
      state: "string",
    },
  },
  backingImageRestoreInput: {
    fields: {
      dataEngine: "string",
      secret: "string",
      secretNamespace: "string",
    },
  },
  backupBackingImage: {
    resource: true,
    resourceMethods: ["GET", "DELETE"],
    fields: {
      backingImageName: "string",
      backupTargetName: "string",
      compressionMethod: "string",
      created: "string",
      error: "string",
      labels: "map[string]",
      messages: "map[string]",
      name: "string",
      progress: "int",
      secret: "string",
      secretNamespace: "string",
      size: "int",
      state: "string",
      url: "string",
    },
    actions: {
      backupBackingImageRestore: { input: "backingImageRestoreInput" },
    },
  },
  updateMinNumberOfCopiesInput: {
    fields: {
      minNumberOfCopies: "int",
    },
  },
  supportBundle: {
    resource: true,
    fields: {
      errorMessage: "string",
      name: "string",
      nodeID: "string",
      progressPercentage: "int",
      state: "string",
    },
  },
  supportBundleInitateInput: {
    fields: {
      description: "string",
      issueURL: "string",
    },
  },
} as const satisfies SchemaTable;
