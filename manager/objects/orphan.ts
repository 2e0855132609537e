/** A directory or a process that no object names. Fields as in Longhorn's orphans.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { choice, conditions, mapOf, record, text } from "./fields.js";

export const spec = record({
  dataEngine: choice("v1", "v2"),
  nodeID: text(),
  orphanType: text(),
  parameters: mapOf(text()),
});

export const status = record({
  conditions: conditions(),
  ownerID: text(),
});

export type OrphanSpec = Static<typeof spec>;
export type OrphanStatus = Static<typeof status>;
