/** A node, its disks, and what may be placed there. Fields as in Longhorn's nodes.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { choice, conditions, flag, integer, listOf, mapOf, record, text, time } from "./fields.js";

export const spec = record({
  allowScheduling: flag(),
  disks: mapOf(
    record({
      allowScheduling: flag(),
      diskDriver: choice("auto", "aio", "nvme"),
      diskType: choice("filesystem", "block"),
      evictionRequested: flag(),
      path: text(),
      storageReserved: integer(),
      tags: listOf(text()),
    }),
  ),
  evictionRequested: flag(),
  instanceManagerCPURequest: integer(),
  name: text(),
  tags: listOf(text()),
});

export const status = record({
  autoEvicting: flag(),
  conditions: conditions(),
  diskStatus: mapOf(
    record({
      conditions: conditions(),
      diskDriver: text(),
      diskName: text(),
      diskPath: text(),
      diskType: text(),
      diskUUID: text(),
      filesystemType: text(),
      instanceManagerName: text(),
      scheduledBackingImage: mapOf(integer()),
      scheduledReplica: mapOf(integer()),
      storageAvailable: integer(),
      storageMaximum: integer(),
      storageScheduled: integer(),
    }),
  ),
  region: text(),
  snapshotCheckStatus: record({
    lastPeriodicCheckedAt: time(),
  }),
  zone: text(),
});

export type NodeSpec = Static<typeof spec>;
export type NodeStatus = Static<typeof status>;
