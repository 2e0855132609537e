/** A backup of a backing image. Fields as in Longhorn's backupbackingimages.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { flag, integer, mapOf, record, text, time } from "./fields.js";

export const spec = record({
  backingImage: text(),
  backupTargetName: text(),
  labels: mapOf(text()),
  syncRequestedAt: time(),
  userCreated: flag(),
});

export const status = record({
  backingImage: text(),
  backupCreatedAt: text(),
  checksum: text(),
  compressionMethod: text(),
  error: text(),
  labels: mapOf(text()),
  lastSyncedAt: time(),
  managerAddress: text(),
  messages: mapOf(text()),
  ownerID: text(),
  progress: integer(),
  secret: text(),
  secretNamespace: text(),
  size: integer(),
  state: text(),
  url: text(),
});

export type BackupBackingImageSpec = Static<typeof spec>;
export type BackupBackingImageStatus = Static<typeof status>;
