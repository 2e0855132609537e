/** Backups, and where they are kept. */
import type { SchemaTable } from "./schema.js";

export const BACKUP = {
  backup: {
    resource: true,
    fields: {
      backupMode: "string",
      backupTargetName: "string",
      blockSize: "string",
      compressionMethod: "string",
      created: "string",
      error: "string",
      labels: "map[string]",
      messages: "map[string]",
      name: "string",
      newlyUploadDataSize: "string",
      progress: "int",
      reUploadedDataSize: "string",
      size: "string",
      snapshotCreated: "string",
      snapshotName: "string",
      state: "string",
      url: "string",
      volumeBackingImageName: "string",
      volumeCreated: "string",
      volumeName: "string",
      volumeSize: "string",
    },
  },
  backupInput: {
    fields: {
      name: "string",
    },
  },
  backupListOutput: {
    fields: {
      data: "array[backup]",
      type: "string",
    },
  },
  backupTarget: {
    resource: true,
    collectionMethods: ["GET", "POST"],
    resourceMethods: ["GET", "PUT", "DELETE"],
    fields: {
      available: "bool",
      backupTargetURL: { type: "string", create: true, default: "" },
      credentialSecret: { type: "string", create: true, default: "" },
      message: "string",
      name: { type: "string", create: true, required: true, unique: true },
      pollInterval: { type: "string", create: true, default: "300" },
    },
    actions: {
      backupTargetSync: { input: "syncBackupResource", output: "backupTargetListOutput" },
      backupTargetUpdate: { input: "BackupTarget", output: "backupTargetListOutput" },
    },
  },
  backupTargetListOutput: {
    fields: {
      data: "array[backupTarget]",
      type: "string",
    },
  },
  backupVolume: {
    resource: true,
    resourceMethods: ["GET", "PUT", "DELETE"],
    fields: {
      backingImageChecksum: "string",
      backingImageName: "string",
      backupTargetName: "string",
      created: "string",
      dataStored: "string",
      labels: "map[string]",
      lastBackupAt: "string",
      lastBackupName: "string",
      messages: "map[string]",
      name: "string",
      size: "string",
      storageClassName: "string",
      volumeName: "string",
    },
    actions: {
      backupDelete: { input: "backupInput", output: "backupVolume" },
      backupGet: { input: "backupInput", output: "backup" },
      backupList: { output: "backupListOutput" },
      backupListByVolume: { input: "volume", output: "backupListOutput" },
      backupVolumeSync: { input: "syncBackupResource", output: "backupVolumeListOutput" },
    },
  },
  backupVolumeListOutput: {
    fields: {
      data: "array[backupVolume]",
      type: "string",
    },
  },
  syncBackupResource: {
    fields: {
      syncAllBackupTargets: "bool",
      syncAllBackupVolumes: "bool",
      syncBackupTarget: "bool",
      syncBackupVolume: "bool",
    },
  },
  systemBackup: {
    resource: true,
    collectionMethods: ["GET", "POST"],
    resourceMethods: ["GET", "DELETE"],
    fields: {
      createdAt: "string",
      error: "string",
      managerImage: "string",
      name: { type: "string", create: true, required: true, unique: true },
      state: "string",
      version: "string",
      volumeBackupPolicy: "string",
    },
  },
  systemRestore: {
    resource: true,
    collectionMethods: ["GET", "POST"],
    resourceMethods: ["GET", "DELETE"],
    fields: {
      createdAt: "string",
      error: "string",
      name: { type: "string", create: true, required: true, unique: true },
      state: "string",
      systemBackup: { type: "string", required: true, unique: true },
    },
  },
} as const satisfies SchemaTable;
