/** The engine of a volume: one process at most. Fields as in Longhorn's engines.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { choice, conditions, flag, int64Text, integer, mapOf, record, text } from "./fields.js";

export const spec = record({
  active: flag(),
  backupVolume: text(),
  dataEngine: choice("v1", "v2"),
  desireState: text(),
  disableFrontend: flag(),
  frontend: choice("blockdev", "iscsi", "nvmf", "ublk"),
  image: text(),
  logRequested: flag(),
  nodeID: text(),
  replicaAddressMap: mapOf(text()),
  requestedBackupRestore: text(),
  requestedDataSource: text(),
  revisionCounterDisabled: flag(),
  salvageRequested: flag(),
  snapshotMaxCount: integer(),
  snapshotMaxSize: int64Text(),
  unmapMarkSnapChainRemovedEnabled: flag(),
  upgradedReplicaAddressMap: mapOf(text()),
  volumeName: text(),
  volumeSize: int64Text(),
});

export const status = record({
  backupStatus: mapOf(
    record({
      backupURL: text(),
      error: text(),
      progress: integer(),
      replicaAddress: text(),
      snapshotName: text(),
      state: text(),
    }),
  ),
  cloneStatus: mapOf(
    record({
      error: text(),
      fromReplicaAddress: text(),
      isCloning: flag(),
      progress: integer(),
      snapshotName: text(),
      state: text(),
    }),
  ),
  conditions: conditions(),
  currentImage: text(),
  currentReplicaAddressMap: mapOf(text()),
  currentSize: int64Text(),
  currentState: text(),
  endpoint: text(),
  instanceManagerName: text(),
  ip: text(),
  isExpanding: flag(),
  lastExpansionError: text(),
  lastExpansionFailedAt: text(),
  lastRestoredBackup: text(),
  logFetched: flag(),
  ownerID: text(),
  port: integer(),
  purgeStatus: mapOf(
    record({
      error: text(),
      isPurging: flag(),
      progress: integer(),
      state: text(),
    }),
  ),
  rebuildStatus: mapOf(
    record({
      appliedRebuildingMBps: integer(),
      error: text(),
      fromReplicaAddress: text(),
      isRebuilding: flag(),
      progress: integer(),
      state: text(),
    }),
  ),
  replicaModeMap: mapOf(text()),
  replicaTransitionTimeMap: mapOf(text()),
  restoreStatus: mapOf(
    record({
      backupURL: text(),
      currentRestoringBackup: text(),
      error: text(),
      filename: text(),
      isRestoring: flag(),
      lastRestored: text(),
      progress: integer(),
      state: text(),
    }),
  ),
  salvageExecuted: flag(),
  snapshotMaxCount: integer(),
  snapshotMaxSize: int64Text(),
  snapshots: mapOf(
    record({
      children: mapOf(flag()),
      created: text(),
      labels: mapOf(text()),
      name: text(),
      parent: text(),
      removed: flag(),
      size: text(),
      usercreated: flag(),
    }),
  ),
  snapshotsError: text(),
  started: flag(),
  starting: flag(),
  storageIP: text(),
  ublkID: integer(),
  unmapMarkSnapChainRemovedEnabled: flag(),
  uuid: text(),
});

export type EngineSpec = Static<typeof spec>;
export type EngineStatus = Static<typeof status>;
