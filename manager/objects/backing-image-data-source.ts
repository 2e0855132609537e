/** Where a backing image comes from. Fields as in Longhorn's backingimagedatasources.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { choice, flag, integer, mapOf, record, text } from "./fields.js";

export const spec = record({
  checksum: text(),
  diskPath: text(),
  diskUUID: text(),
  fileTransferred: flag(),
  nodeID: text(),
  parameters: mapOf(text()),
  sourceType: choice("download", "upload", "export-from-volume", "restore", "clone"),
  uuid: text(),
});

export const status = record({
  checksum: text(),
  currentState: text(),
  ip: text(),
  message: text(),
  ownerID: text(),
  progress: integer(),
  runningParameters: mapOf(text()),
  size: integer(),
  storageIP: text(),
});

export type BackingImageDataSourceSpec = Static<typeof spec>;
export type BackingImageDataSourceStatus = Static<typeof status>;
