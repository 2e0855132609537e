/** One setting. Its value is the only thing that is wanted of it. Fields as in Longhorn's settings.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { flag, record, text } from "./fields.js";

export const spec = record({
  value: text(),
});

export const status = record({
  applied: flag(),
});

export type SettingSpec = Static<typeof spec>;
export type SettingStatus = Static<typeof status>;
