/** What keeps backing images on one disk. Fields as in Longhorn's backingimagemanagers.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { integer, mapOf, record, text } from "./fields.js";

export const spec = record({
  backingImages: mapOf(text()),
  diskPath: text(),
  diskUUID: text(),
  image: text(),
  nodeID: text(),
});

export const status = record({
  apiMinVersion: integer(),
  apiVersion: integer(),
  backingImageFileMap: mapOf(
    record({
      currentChecksum: text(),
      message: text(),
      name: text(),
      progress: integer(),
      realSize: integer(),
      senderManagerAddress: text(),
      sendingReference: integer(),
      size: integer(),
      state: text(),
      uuid: text(),
      virtualSize: integer(),
    }),
  ),
  currentState: text(),
  ip: text(),
  ownerID: text(),
  storageIP: text(),
});

export type BackingImageManagerSpec = Static<typeof spec>;
export type BackingImageManagerStatus = Static<typeof status>;
