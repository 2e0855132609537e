/** All objects, restored from such a backup. Fields as in Longhorn's systemrestores.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { conditions, record, text } from "./fields.js";

export const spec = record({
  systemBackup: text(),
});

export const status = record({
  conditions: conditions(),
  ownerID: text(),
  sourceURL: text(),
  state: text(),
});

export type SystemRestoreSpec = Static<typeof spec>;
export type SystemRestoreStatus = Static<typeof status>;
