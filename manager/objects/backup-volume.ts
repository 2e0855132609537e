/** What a backup target holds of one volume. Fields as in Longhorn's backupvolumes.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { mapOf, record, text, time } from "./fields.js";

export const spec = record({
  backupTargetName: text(),
  syncRequestedAt: time(),
  volumeName: text(),
});

export const status = record({
  backingImageChecksum: text(),
  backingImageName: text(),
  createdAt: text(),
  dataStored: text(),
  labels: mapOf(text()),
  lastBackupAt: text(),
  lastBackupName: text(),
  lastModificationTime: time(),
  lastSyncedAt: time(),
  messages: mapOf(text()),
  ownerID: text(),
  size: text(),
  storageClassName: text(),
});

export type BackupVolumeSpec = Static<typeof spec>;
export type BackupVolumeStatus = Static<typeof status>;
