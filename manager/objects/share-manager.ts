/** What exports a volume to several nodes. Fields as in Longhorn's sharemanagers.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { record, text } from "./fields.js";

export const spec = record({
  image: text(),
});

export const status = record({
  endpoint: text(),
  ownerID: text(),
  state: text(),
});

export type ShareManagerSpec = Static<typeof spec>;
export type ShareManagerStatus = Static<typeof status>;
