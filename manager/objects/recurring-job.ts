/** Work that is done on volumes at set times. Fields as in Longhorn's recurringjobs.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { choice, integer, listOf, mapOf, record, text } from "./fields.js";

export const spec = record({
  concurrency: integer(),
  cron: text(),
  groups: listOf(text()),
  labels: mapOf(text()),
  name: text(),
  parameters: mapOf(text()),
  retain: integer(),
  task: choice(
    "snapshot",
    "snapshot-force-create",
    "snapshot-cleanup",
    "snapshot-delete",
    "backup",
    "backup-force-create",
    "filesystem-trim",
    "system-backup",
  ),
});

export const status = record({
  executionCount: integer(),
  ownerID: text(),
});

export type RecurringJobSpec = Static<typeof spec>;
export type RecurringJobStatus = Static<typeof status>;
