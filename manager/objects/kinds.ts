/** All kinds of objects, by their names: Longhorn's, of the group longhorn.io, and one of our own, the witness. */
import type { Static, TSchema } from "@sinclair/typebox";
import * as backingImageDataSource from "./backing-image-data-source.js";
import * as backingImageManager from "./backing-image-manager.js";
import * as backingImage from "./backing-image.js";
import * as backupBackingImage from "./backup-backing-image.js";
import * as backupTarget from "./backup-target.js";
import * as backupVolume from "./backup-volume.js";
import * as backup from "./backup.js";
import * as engineImage from "./engine-image.js";
import * as engine from "./engine.js";
import * as instanceManager from "./instance-manager.js";
import * as node from "./node.js";
import * as orphan from "./orphan.js";
import * as recurringJob from "./recurring-job.js";
import * as replica from "./replica.js";
import * as setting from "./setting.js";
import * as shareManager from "./share-manager.js";
import * as snapshot from "./snapshot.js";
import * as supportBundle from "./support-bundle.js";
import * as systemBackup from "./system-backup.js";
import * as systemRestore from "./system-restore.js";
import * as volumeAttachment from "./volume-attachment.js";
import * as volume from "./volume.js";
import * as witness from "./witness.js";

interface KindOf<Spec extends TSchema, Status extends TSchema> {
  /** as in URLs of Kubernetes' API */
  readonly plural: string;
  readonly spec: Spec;
  readonly status: Status;
}

function kind<Spec extends TSchema, Status extends TSchema>(
  plural: string,
  { spec, status }: { spec: Spec; status: Status },
): KindOf<Spec, Status> {
  return { plural, spec, status };
}

export const KINDS = {
  BackingImage: kind("backingimages", backingImage),
  BackingImageDataSource: kind("backingimagedatasources", backingImageDataSource),
  BackingImageManager: kind("backingimagemanagers", backingImageManager),
  Backup: kind("backups", backup),
  BackupBackingImage: kind("backupbackingimages", backupBackingImage),
  BackupTarget: kind("backuptargets", backupTarget),
  BackupVolume: kind("backupvolumes", backupVolume),
  Engine: kind("engines", engine),
  EngineImage: kind("engineimages", engineImage),
  InstanceManager: kind("instancemanagers", instanceManager),
  Node: kind("nodes", node),
  Orphan: kind("orphans", orphan),
  RecurringJob: kind("recurringjobs", recurringJob),
  Replica: kind("replicas", replica),
  Setting: kind("settings", setting),
  ShareManager: kind("sharemanagers", shareManager),
  Snapshot: kind("snapshots", snapshot),
  SupportBundle: kind("supportbundles", supportBundle),
  SystemBackup: kind("systembackups", systemBackup),
  SystemRestore: kind("systemrestores", systemRestore),
  Volume: kind("volumes", volume),
  VolumeAttachment: kind("volumeattachments", volumeAttachment),
  Witness: kind("witnesses", witness),
};

export type Kind = keyof typeof KINDS;
export type SpecOf<K extends Kind> = Static<(typeof KINDS)[K]["spec"]>;
export type StatusOf<K extends Kind> = Static<(typeof KINDS)[K]["status"]>;
