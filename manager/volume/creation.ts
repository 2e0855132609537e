/** A new volume, made complete: what was left out comes from the settings, so that what is stored says all. Pure. */
import { createHash } from "node:crypto";
import type { NewResource } from "../objects/resource.js";
import { FINALIZER } from "../objects/resource.js";
import { bytesOf } from "../objects/bytes.js";
import type { SpecOf } from "../objects/kinds.js";
import type { SettingValues } from "../settings/settings.js";
import { ownLabels } from "./objects.js";

type VolumeSpec = SpecOf<"Volume">;

/** Sizes of volumes are multiples of it. */
export const SIZE_UNIT_BYTES = 2 << 20;

/** More than any file system here has, and twice of it is still a whole number. */
export const SIZE_BYTES_MAX = 2 ** 52;

const NAME_LENGTH_MAX = 40;
const MIB = 1 << 20;

/** @returns a name that is not too long; two long ones do not become the same */
export function volumeName(given: string): string {
  const name = given.toLowerCase();
  if (name.length <= NAME_LENGTH_MAX) return name;
  const hash = createHash("sha512").update(name).digest("hex").slice(0, 8);
  return `${name.slice(0, NAME_LENGTH_MAX - hash.length - 1)}-${hash}`;
}

export function roundUpSize(bytes: number): number {
  return Math.ceil(bytes / SIZE_UNIT_BYTES) * SIZE_UNIT_BYTES;
}

/** @param given without what was left out
 * @param labels as the volume will have them */
export function newVolume(
  name: string,
  given: Partial<VolumeSpec>,
  labels: Record<string, string>,
  settings: SettingValues,
): NewResource<"Volume"> {
  const dataEngine = given.dataEngine || "v1";
  const dataLocality = given.dataLocality || (settings.text("default-data-locality") as VolumeSpec["dataLocality"]); // prettier-ignore
  const isStrictLocal = dataLocality === "strict-local";
  const blockSize = String(settings.number("default-backup-block-size") * MIB) as VolumeSpec["backupBlockSize"]; // prettier-ignore
  const compression = settings.text("backup-compression-method") as VolumeSpec["backupCompressionMethod"];
  const isStandby = given.Standby === true;
  const spec: Partial<VolumeSpec> = {
    ...given,
    dataEngine,
    dataLocality,
    size: String(roundUpSize(bytesOf(given.size ?? "0"))),
    numberOfReplicas:
      given.numberOfReplicas || (isStrictLocal ? 1 : settings.number("default-replica-count", dataEngine)),
    frontend: given.frontend || (isStandby ? "" : "blockdev"),
    accessMode: given.accessMode || "rwo",
    image: settings.text("default-engine-image"),
    backupCompressionMethod: given.backupCompressionMethod || compression,
    backupBlockSize: given.backupBlockSize || blockSize,
    backupTargetName: given.backupTargetName || "default",
    snapshotMaxCount: given.snapshotMaxCount || settings.number("snapshot-max-count"),
    cloneMode: given.cloneMode || (given.dataSource ? "full-copy" : ""),
    revisionCounterDisabled: isStrictLocal || given.revisionCounterDisabled === true,
    ...Object.fromEntries(OVERRIDES.map((field) => [field, given[field] || "ignored"])),
  };
  return {
    kind: "Volume",
    name,
    finalizers: [FINALIZER],
    labels: { ...labels, "backup-target": spec.backupTargetName ?? "" },
    spec,
  };
}

/** Where a volume can say otherwise than the settings. */
const OVERRIDES = [
  "freezeFilesystemForSnapshot",
  "offlineRebuilding",
  "replicaAutoBalance",
  "replicaDiskSoftAntiAffinity",
  "replicaSoftAntiAffinity",
  "replicaZoneSoftAntiAffinity",
  "restoreVolumeRecurringJob",
  "snapshotDataIntegrity",
  "unmapMarkSnapChainRemoved",
] as const satisfies readonly (keyof VolumeSpec)[];

/** The object that says who wants the volume attached where: nobody, at first. */
export function newVolumeAttachment(volume: {
  metadata: { name: string; uid: string };
}): NewResource<"VolumeAttachment"> {
  const { name, uid } = volume.metadata;
  return {
    kind: "VolumeAttachment",
    name,
    labels: ownLabels(name),
    ownerReferences: [{ kind: "Volume", name, uid }],
    spec: { volume: name },
  };
}
