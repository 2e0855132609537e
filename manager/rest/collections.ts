/** All that is listed: by a GET, and by streams, which send the same again when it has changed. */
import type { Kind } from "../objects/kinds.js";
import type { Resource } from "../objects/resource.js";
import { DEFINITIONS, type SettingName } from "../settings/definitions.js";
import { loadSettings } from "../settings/stored.js";
import { volumeViews, type Backend } from "./backend.js";
import type { AnyItem } from "./http/envelope.js";
import {
  backingImageToResource,
  backupTargetToResource,
  backupToResource,
  backupVolumeToResource,
  supportBundleToResource,
  systemBackupToResource,
  systemRestoreToResource,
} from "./resources/backup.js";
import { backupBackingImageToResource } from "./resources/backup-backing-image.js";
import { eventToResource } from "./resources/event.js";
import {
  engineImageToResource,
  instanceManagerToResource,
  nodeToResource,
  orphanToResource,
  tagItems,
} from "./resources/node.js";
import { recurringJobToResource, settingToResource } from "./resources/setting.js";
import { attachmentToResource } from "./resources/volume-attachment.js";
import { volumeToResource } from "./resources/volume.js";
import type { SchemaId } from "./schemas/index.js";

export interface ListSource {
  of: SchemaId;
  list: (backend: Backend) => Promise<AnyItem[]>;
  /** that it changes with; "events": with those that are recorded */
  changesOf: readonly Kind[] | "events";
}

export const SETTING_NAMES = Object.keys(DEFINITIONS).sort() as SettingName[];

function listed<K extends Kind>(of: SchemaId, kind: K, show: (object: Resource<K>) => AnyItem): ListSource {
  return { of, changesOf: [kind], list: async ({ store }) => (await store.list(kind)).map(show) };
}

async function nodeItems({ store }: Backend): Promise<AnyItem[]> {
  const agents = await store.list("InstanceManager");
  return (await store.list("Node")).map((node) =>
    nodeToResource(node, addressOf(node.metadata.name, agents)),
  );
}

/** @returns where a node's agent is, "" when nobody knows */
export function addressOf(node: string, agents: readonly Resource<"InstanceManager">[]): string {
  return agents.find(({ spec }) => spec.nodeID === node)?.status.ip ?? "";
}

/** By their part of the path. */
export const COLLECTIONS = {
  volumes: {
    of: "volume",
    changesOf: ["Volume", "Engine", "Replica", "VolumeAttachment"],
    list: async (backend) => (await volumeViews(backend)).map(volumeToResource),
  },
  nodes: { of: "node", changesOf: ["Node", "InstanceManager"], list: nodeItems },
  settings: {
    of: "setting",
    changesOf: ["Setting"],
    list: async ({ store }) => {
      const stored = new Map((await store.list("Setting")).map((one) => [one.metadata.name, one]));
      return SETTING_NAMES.map((name) => settingToResource(name, stored.get(name) ?? null));
    },
  },
  recurringjobs: listed("recurringJob", "RecurringJob", recurringJobToResource),
  volumeattachments: listed("volumeAttachment", "VolumeAttachment", attachmentToResource),
  instancemanagers: listed("instanceManager", "InstanceManager", instanceManagerToResource),
  orphans: listed("orphan", "Orphan", orphanToResource),
  events: {
    of: "event",
    changesOf: "events",
    list: async ({ events }) => (await events.list()).map(eventToResource),
  },
  engineimages: {
    of: "engineImage",
    changesOf: ["EngineImage"],
    list: async (backend) => {
      const image = (await loadSettings(backend.store)).text("default-engine-image");
      return (await backend.store.list("EngineImage")).map((one) => engineImageToResource(one, image));
    },
  },
  nodetags: {
    of: "tag",
    changesOf: ["Node"],
    list: async ({ store }) => tagItems("node", await store.list("Node")),
  },
  disktags: {
    of: "tag",
    changesOf: ["Node"],
    list: async ({ store }) => tagItems("disk", await store.list("Node")),
  },
  backuptargets: listed("backupTarget", "BackupTarget", backupTargetToResource),
  backupvolumes: listed("backupVolume", "BackupVolume", backupVolumeToResource),
  backups: listed("backup", "Backup", backupToResource),
  backingimages: listed("backingImage", "BackingImage", backingImageToResource),
  backupbackingimages: listed("backupBackingImage", "BackupBackingImage", backupBackingImageToResource),
  systembackups: listed("systemBackup", "SystemBackup", systemBackupToResource),
  systemrestores: listed("systemRestore", "SystemRestore", systemRestoreToResource),
  supportbundles: listed("supportBundle", "SupportBundle", supportBundleToResource),
} as const satisfies Record<string, ListSource>;

export type CollectionName = keyof typeof COLLECTIONS;
