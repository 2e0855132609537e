/** A snapshot of a volume. Fields as in Longhorn's snapshots.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { flag, integer, mapOf, record, text } from "./fields.js";

export const spec = record({
  createSnapshot: flag(),
  labels: mapOf(text()),
  volume: text(),
});

export const status = record({
  checksum: text(),
  children: mapOf(flag()),
  creationTime: text(),
  error: text(),
  labels: mapOf(text()),
  markRemoved: flag(),
  ownerID: text(),
  parent: text(),
  readyToUse: flag(),
  restoreSize: integer(),
  size: integer(),
  userCreated: flag(),
});

export type SnapshotSpec = Static<typeof spec>;
export type SnapshotStatus = Static<typeof status>;
