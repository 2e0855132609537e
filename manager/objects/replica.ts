/** One copy of a volume: a directory on a disk, and what serves it. Fields as in Longhorn's replicas.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { choice, conditions, flag, int64Text, integer, record, text } from "./fields.js";

export const spec = record({
  active: flag(),
  backingImage: text(),
  dataDirectoryName: text(),
  dataEngine: choice("v1", "v2"),
  desireState: text(),
  diskID: text(),
  diskPath: text(),
  engineName: text(),
  evictionRequested: flag(),
  failedAt: text(),
  hardNodeAffinity: text(),
  healthyAt: text(),
  image: text(),
  lastFailedAt: text(),
  lastHealthyAt: text(),
  logRequested: flag(),
  migrationEngineName: text(),
  nodeID: text(),
  rebuildRetryCount: integer(),
  revisionCounterDisabled: flag(),
  salvageRequested: flag(),
  snapshotMaxCount: integer(),
  snapshotMaxSize: int64Text(),
  unmapMarkDiskChainRemovedEnabled: flag(),
  volumeName: text(),
  volumeSize: int64Text(),
});

export const status = record({
  conditions: conditions(),
  currentImage: text(),
  currentState: text(),
  instanceManagerName: text(),
  ip: text(),
  logFetched: flag(),
  ownerID: text(),
  port: integer(),
  salvageExecuted: flag(),
  started: flag(),
  starting: flag(),
  storageIP: text(),
  ublkID: integer(),
  uuid: text(),
});

export type ReplicaSpec = Static<typeof spec>;
export type ReplicaStatus = Static<typeof status>;
