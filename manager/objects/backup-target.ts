/** Where backups are kept. Fields as in Longhorn's backuptargets.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { conditions, flag, record, text, time } from "./fields.js";

export const spec = record({
  backupTargetURL: text(),
  credentialSecret: text(),
  pollInterval: text(),
  syncRequestedAt: time(),
});

export const status = record({
  available: flag(),
  conditions: conditions(),
  lastSyncedAt: time(),
  ownerID: text(),
});

export type BackupTargetSpec = Static<typeof spec>;
export type BackupTargetStatus = Static<typeof status>;
