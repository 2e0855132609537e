/** Nodes, their disks, and what runs there. */
import { CONDITION_FIELDS } from "./common.js";
import type { SchemaTable } from "./schema.js";

export const NODE = {
  node: {
    resource: true,
    resourceMethods: ["GET", "PUT"],
    fields: {
      address: "string",
      allowScheduling: { type: "bool", required: true },
      autoEvicting: "bool",
      conditions: "map[nodeCondition]",
      disks: { type: "map[diskInfo]", nullable: true },
      evictionRequested: { type: "bool", required: true },
      instanceManagerCPURequest: "int",
      name: "string",
      region: "string",
      tags: { type: "array[string]", create: true },
      zone: "string",
    },
    actions: {
      diskUpdate: { input: "diskUpdateInput", output: "node" },
    },
  },
  nodeCondition: {
    fields: CONDITION_FIELDS,
  },
  diskInfo: {
    fields: {
      allowScheduling: "bool",
      conditions: "map[diskCondition]",
      diskDriver: "string",
      diskType: "string",
      diskUUID: "string",
      evictionRequested: "bool",
      path: "string",
      scheduledBackingImage: { type: "map[string]", wire: "map[int]" },
      scheduledReplica: { type: "map[string]", wire: "map[int]" },
      storageAvailable: "int",
      storageMaximum: "int",
      storageReserved: "int",
      storageScheduled: "int",
      tags: "array[string]",
    },
  },
  diskCondition: {
    fields: CONDITION_FIELDS,
  },
  diskUpdate: {
    fields: {
      allowScheduling: "bool",
      diskDriver: "string",
      diskType: "string",
      evictionRequested: "bool",
      path: "string",
      storageReserved: "int",
      tags: "array[string]",
    },
  },
  diskUpdateInput: {
    fields: {
      disks: { type: "array[diskUpdate]", wire: "map[diskUpdate]" },
    },
  },
  instanceManager: {
    resource: true,
    fields: {
      currentState: "string",
      dataEngine: "string",
      image: "string",
      instanceEngines: { type: "map[string]", wire: "map[instanceProcess]" },
      instanceReplicas: { type: "map[string]", wire: "map[instanceProcess]" },
      instances: { type: "map[string]", wire: "map[instanceProcess]" },
      managerType: "string",
      name: "string",
      nodeID: "string",
    },
  },
  instanceProcess: {
    plural: "instanceProcesses",
    fields: {
      spec: "longhorn.InstanceProcessSpec",
      status: "longhorn.InstanceProcessStatus",
    },
  },
  engineImage: {
    resource: true,
    collectionMethods: ["GET", "POST"],
    resourceMethods: ["GET", "DELETE"],
    fields: {
      buildDate: "string",
      cliAPIMinVersion: "int",
      cliAPIVersion: "int",
      conditions: { type: "array[string]", wire: "array[longhornCondition]" },
      controllerAPIMinVersion: "int",
      controllerAPIVersion: "int",
      dataFormatMinVersion: "int",
      dataFormatVersion: "int",
      default: "bool",
      gitCommit: "string",
      image: { type: "string", create: true, required: true, unique: true },
      incompatible: "bool",
      name: "string",
      noRefSince: "string",
      nodeDeploymentMap: { type: "map[string]", wire: "map[bool]" },
      ownerID: "string",
      refCount: "int",
      state: "string",
      version: "string",
    },
  },
  orphan: {
    resource: true,
    fields: {
      dataEngine: "string",
      name: "string",
      nodeID: "string",
      orphanType: "string",
      parameters: "map[string]",
    },
  },
} as const satisfies SchemaTable;
