/** One backup of a volume. Fields as in Longhorn's backups.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { choice, integer, mapOf, record, text, time } from "./fields.js";

export const spec = record({
  backupBlockSize: choice("-1", "2097152", "16777216"),
  backupMode: choice("full", "incremental"),
  labels: mapOf(text()),
  snapshotName: text(),
  syncRequestedAt: time(),
});

export const status = record({
  backupCreatedAt: text(),
  backupTargetName: text(),
  compressionMethod: text(),
  error: text(),
  labels: mapOf(text()),
  lastSyncedAt: time(),
  messages: mapOf(text()),
  newlyUploadDataSize: text(),
  ownerID: text(),
  progress: integer(),
  reUploadedDataSize: text(),
  replicaAddress: text(),
  size: text(),
  snapshotCreatedAt: text(),
  snapshotName: text(),
  state: text(),
  url: text(),
  volumeBackingImageName: text(),
  volumeCreated: text(),
  volumeName: text(),
  volumeSize: text(),
});

export type BackupSpec = Static<typeof spec>;
export type BackupStatus = Static<typeof status>;
