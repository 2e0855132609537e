/** An image that volumes are based on. Fields as in Longhorn's backingimages.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { choice, choiceOr, flag, integer, listOf, mapOf, record, text } from "./fields.js";

export const spec = record({
  checksum: text(),
  dataEngine: choiceOr("v1", "v2"),
  diskFileSpecMap: mapOf(
    record({
      dataEngine: choice("v1", "v2"),
      evictionRequested: flag(),
    }),
  ),
  diskSelector: listOf(text()),
  disks: mapOf(text()),
  minNumberOfCopies: integer(),
  nodeSelector: listOf(text()),
  secret: text(),
  secretNamespace: text(),
  sourceParameters: mapOf(text()),
  sourceType: choice("download", "upload", "export-from-volume", "restore", "clone"),
});

export const status = record({
  checksum: text(),
  diskFileStatusMap: mapOf(
    record({
      dataEngine: choice("v1", "v2"),
      lastStateTransitionTime: text(),
      message: text(),
      progress: integer(),
      state: text(),
    }),
  ),
  diskLastRefAtMap: mapOf(text()),
  ownerID: text(),
  realSize: integer(),
  size: integer(),
  uuid: text(),
  v2FirstCopyDisk: text(),
  v2FirstCopyStatus: text(),
  virtualSize: integer(),
});

export type BackingImageSpec = Static<typeof spec>;
export type BackingImageStatus = Static<typeof status>;
