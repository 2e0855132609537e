/** A backup of all objects. Fields as in Longhorn's systembackups.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { conditions, record, text, time } from "./fields.js";

export const spec = record({
  volumeBackupPolicy: text(),
});

export const status = record({
  conditions: conditions(),
  createdAt: time(),
  gitCommit: text(),
  lastSyncedAt: time(),
  managerImage: text(),
  ownerID: text(),
  state: text(),
  version: text(),
});

export type SystemBackupSpec = Static<typeof spec>;
export type SystemBackupStatus = Static<typeof status>;
