/** The witness of a volume, or one of its voters: a record of who is current. A kind of our own. */
import type { Static } from "@sinclair/typebox";
import { conditions, flag, integer, record, text } from "./fields.js";

export const spec = record({
  dataDirectoryName: text(),
  desireState: text(),
  diskID: text(),
  diskPath: text(),
  image: text(),
  nodeID: text(),
  volumeName: text(),
  /** it is one of several that are the witness together */
  voter: flag(),
});

export const status = record({
  conditions: conditions(),
  currentImage: text(),
  currentState: text(),
  instanceManagerName: text(),
  ip: text(),
  ownerID: text(),
  port: integer(),
  started: flag(),
  starting: flag(),
  storageIP: text(),
  uuid: text(),
});

export type WitnessSpec = Static<typeof spec>;
export type WitnessStatus = Static<typeof status>;
