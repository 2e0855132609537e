/** Which actions a volume allows, by its state: clients show the others as not possible. What is not here yet is none of them. */

const ALWAYS = ["attach", "detach"];
const FAULTED = ["salvage"];
const WHOLE = ["snapshotCRCreate", "snapshotCRDelete", "snapshotCRGet", "snapshotCRList"];

/** A detached volume, one on its way, and an attached one have these. */
const MOVING = [
  "cancelExpansion",
  "offlineReplicaRebuilding",
  "recurringJobAdd",
  "recurringJobDelete",
  "recurringJobList",
];
const SETTLED = [
  "activate",
  "expand",
  "replicaRemove",
  "updateBackupCompressionMethod",
  "updateBackupTargetName",
  "updateDataLocality",
  "updateFreezeFilesystemForSnapshot",
  "updateReplicaAutoBalance",
  "updateReplicaDiskSoftAntiAffinity",
  "updateReplicaRebuildingBandwidthLimit",
  "updateReplicaSoftAntiAffinity",
  "updateReplicaZoneSoftAntiAffinity",
  "updateSnapshotDataIntegrity",
  "updateSnapshotMaxCount",
  "updateSnapshotMaxSize",
  "updateUnmapMarkSnapChainRemoved",
];
const DETACHED = ["updateAccessMode"];
const ATTACHED = [
  "snapshotCreate",
  "snapshotDelete",
  "snapshotGet",
  "snapshotList",
  "snapshotPurge",
  "snapshotRevert",
  "trimFilesystem",
  "updateReplicaCount",
];

/** @param isForceable one of its replicas may be named that it is to be had from */
export function actionsOf(state: string, robustness: string, isForceable: boolean): readonly string[] {
  if (robustness === "faulted") return [...ALWAYS, ...FAULTED];
  return [...ALWAYS, ...WHOLE, ...(BY_STATE[state] ?? []), ...(isForceable ? FAULTED : [])];
}

const BY_STATE: Readonly<Record<string, readonly string[]>> = {
  detached: [...MOVING, ...SETTLED, ...DETACHED],
  attaching: MOVING,
  attached: [...MOVING, ...SETTLED, ...ATTACHED],
};
