/** Logs and objects, collected for whoever helps. Fields as in Longhorn's supportbundles.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { conditions, integer, record, text } from "./fields.js";

export const spec = record({
  description: text(),
  issueURL: text(),
  nodeID: text(),
});

export const status = record({
  conditions: conditions(),
  filename: text(),
  filesize: integer(),
  image: text(),
  managerIP: text(),
  ownerID: text(),
  progress: integer(),
  state: text(),
});

export type SupportBundleSpec = Static<typeof spec>;
export type SupportBundleStatus = Static<typeof status>;
