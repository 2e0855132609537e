/** Backups, images and bundles, as the API shows them. Pure. */
import type { Resource } from "../../objects/resource.js";
import type { AnyItem, Item } from "../http/envelope.js";
import type { Body } from "../schemas/index.js";
import { goTime } from "./times.js";

export function backupToResource({ metadata, spec, status }: Resource<"Backup">): Item<"backup"> {
  const { name } = metadata;
  return {
    type: "backup",
    id: name,
    actions: [],
    body: {
      name,
      backupMode: spec.backupMode,
      backupTargetName: status.backupTargetName,
      blockSize: spec.backupBlockSize,
      compressionMethod: status.compressionMethod,
      created: status.backupCreatedAt,
      error: status.error,
      labels: status.labels,
      messages: status.messages,
      newlyUploadDataSize: status.newlyUploadDataSize,
      progress: status.progress,
      reUploadedDataSize: status.reUploadedDataSize,
      size: status.size,
      snapshotCreated: status.snapshotCreatedAt,
      snapshotName: status.snapshotName,
      state: status.state,
      url: status.url,
      volumeBackingImageName: status.volumeBackingImageName,
      volumeCreated: status.volumeCreated,
      volumeName: status.volumeName,
      volumeSize: status.volumeSize,
    },
  };
}

export function backupTargetToResource({
  metadata,
  spec,
  status,
}: Resource<"BackupTarget">): Item<"backupTarget"> {
  const { name } = metadata;
  const { backupTargetURL, credentialSecret, pollInterval } = spec;
  const unavailable = status.conditions.find(({ type }) => type === "Unavailable");
  return {
    type: "backupTarget",
    id: name,
    actions: ["backupTargetSync", "backupTargetUpdate"],
    body: {
      name,
      backupTargetURL,
      credentialSecret,
      pollInterval,
      available: status.available,
      message: unavailable?.message ?? "",
    },
  };
}

export function backupVolumeToResource({
  metadata,
  spec,
  status,
}: Resource<"BackupVolume">): Item<"backupVolume"> {
  const { name } = metadata;
  return {
    type: "backupVolume",
    id: name,
    actions: ["backupDelete", "backupGet", "backupList", "backupListByVolume", "backupVolumeSync"],
    body: {
      name,
      volumeName: spec.volumeName,
      backupTargetName: spec.backupTargetName,
      backingImageChecksum: status.backingImageChecksum,
      backingImageName: status.backingImageName,
      created: status.createdAt,
      dataStored: status.dataStored,
      labels: status.labels,
      lastBackupAt: status.lastBackupAt,
      lastBackupName: status.lastBackupName,
      messages: status.messages,
      size: status.size,
      storageClassName: status.storageClassName,
    },
  };
}

export function systemBackupToResource({
  metadata,
  spec,
  status,
}: Resource<"SystemBackup">): Item<"systemBackup"> {
  const { name } = metadata;
  return {
    type: "systemBackup",
    id: name,
    actions: [],
    body: {
      name,
      createdAt: goTime(status.createdAt),
      error: errorOf(status.conditions),
      managerImage: status.managerImage,
      state: status.state,
      version: status.version,
      volumeBackupPolicy: spec.volumeBackupPolicy,
    },
  };
}

export function systemRestoreToResource({
  metadata,
  spec,
  status,
}: Resource<"SystemRestore">): Item<"systemRestore"> {
  const { name, creationTimestamp } = metadata;
  return {
    type: "systemRestore",
    id: name,
    actions: [],
    body: {
      name,
      createdAt: goTime(creationTimestamp),
      error: errorOf(status.conditions),
      state: status.state,
      systemBackup: spec.systemBackup,
    },
  };
}

export function backingImageToResource({
  metadata,
  spec,
  status,
}: Resource<"BackingImage">): Item<"backingImage"> {
  const { name, deletionTimestamp } = metadata;
  const files = Object.keys(spec.diskFileSpecMap).map(
    (disk): [string, Body<"backingImageDiskFileStatus">] => {
      const {
        dataEngine = "",
        lastStateTransitionTime = "",
        message = "",
        progress = 0,
        state = "",
      } = status.diskFileStatusMap[disk] ?? {};
      return [disk, { dataEngine, lastStateTransitionTime, message, progress, state }];
    },
  );
  return {
    type: "backingImage",
    id: name,
    actions: ["backingImageCleanup", "backupBackingImageCreate", "updateMinNumberOfCopies", "upload"],
    body: {
      name,
      currentChecksum: status.checksum,
      dataEngine: spec.dataEngine,
      deletionTimestamp: goTime(deletionTimestamp),
      diskFileStatusMap: Object.fromEntries(files),
      diskSelector: spec.diskSelector,
      expectedChecksum: spec.checksum,
      minNumberOfCopies: spec.minNumberOfCopies,
      nodeSelector: spec.nodeSelector,
      parameters: spec.sourceParameters,
      secret: spec.secret,
      secretNamespace: spec.secretNamespace,
      size: status.size,
      sourceType: spec.sourceType,
      uuid: status.uuid,
    },
  };
}

export function supportBundleToResource({ metadata, spec, status }: Resource<"SupportBundle">): AnyItem {
  return {
    type: "supportBundle",
    id: spec.nodeID,
    actions: [],
    body: {
      name: metadata.name,
      nodeID: spec.nodeID,
      state: status.state,
      progressPercentage: status.progress,
      errorMessage: errorOf(status.conditions),
    },
  };
}

function errorOf(conditions: readonly { type: string; message: string }[]): string {
  return conditions.find(({ type }) => type === "Error")?.message ?? "";
}
