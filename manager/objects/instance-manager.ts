/** The agent of a node and the processes that it looks after. Fields as in Longhorn's instancemanagers.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { choice, flag, integer, mapOf, record, text } from "./fields.js";

/** An engine or a replica that runs there. */
const process = record({
  spec: record({
    dataEngine: text(),
    name: text(),
  }),
  status: record({
    conditions: mapOf(flag()),
    endpoint: text(),
    errorMsg: text(),
    listen: text(),
    portEnd: integer(),
    portStart: integer(),
    resourceVersion: integer(),
    state: text(),
    targetPortEnd: integer(),
    targetPortStart: integer(),
    type: text(),
    ublkID: integer(),
    uuid: text(),
  }),
});

export const spec = record({
  dataEngine: text(),
  dataEngineSpec: record({
    v2: record({
      cpuMask: text(),
    }),
  }),
  image: text(),
  nodeID: text(),
  type: choice("aio", "engine", "replica"),
});

export const status = record({
  apiMinVersion: integer(),
  apiVersion: integer(),
  backingImages: mapOf(
    record({
      currentChecksum: text(),
      diskUUID: text(),
      message: text(),
      name: text(),
      progress: integer(),
      size: integer(),
      state: text(),
      uuid: text(),
    }),
  ),
  currentState: text(),
  dataEngineStatus: record({
    v2: record({
      cpuMask: text(),
      interruptModeEnabled: choice("true", "false"),
    }),
  }),
  instanceEngines: mapOf(process),
  instanceReplicas: mapOf(process),
  instances: mapOf(process),
  ip: text(),
  ownerID: text(),
  proxyApiMinVersion: integer(),
  proxyApiVersion: integer(),
});

export type InstanceManagerSpec = Static<typeof spec>;
export type InstanceManagerStatus = Static<typeof status>;
