/** A volume, with its engine, its replicas and who wants it attached, as the API shows it. Pure. */
import type { Condition } from "../../objects/fields.js";
import { isDeleted, type Resource } from "../../objects/resource.js";
import { isForceable } from "../../volume/replica-rules.js";
import type { Item } from "../http/envelope.js";
import type { Body } from "../schemas/index.js";
import { goTime } from "./times.js";
import { actionsOf } from "./volume-actions.js";
import { attachmentBody } from "./volume-attachment.js";

export interface VolumeView {
  volume: Resource<"Volume">;
  engines: readonly Resource<"Engine">[];
  replicas: readonly Resource<"Replica">[];
  /** null: not made yet */
  attachment: Resource<"VolumeAttachment"> | null;
}

export function volumeState(volume: Resource<"Volume">): string {
  if (isDeleted(volume)) return "deleting";
  return volume.status.state === "" ? "creating" : volume.status.state;
}

export function volumeToResource(view: VolumeView): Item<"volume"> {
  const { volume, engines, replicas, attachment } = view;
  const { metadata, spec, status } = volume;
  const { name } = metadata;
  const body: Body<"volume"> = {
    name,
    size: spec.size,
    state: volumeState(volume),
    robustness: status.robustness === "" ? "unknown" : status.robustness,
    ready: isReady(volume),
    created: goTime(metadata.creationTimestamp),
    conditions: byType(status.conditions),
    controllers: engines.map(controllerBody),
    replicas: replicas.map((replica) => replicaBody(replica, view)),
    numberOfReplicas: spec.numberOfReplicas,
    frontend: spec.frontend,
    disableFrontend: spec.disableFrontend,
    lastAttachedBy: spec.lastAttachedBy,
    volumeAttachment: attachment === null ? { volume: name, attachments: {} } : attachmentBody(attachment),
    accessMode: spec.accessMode,
    migratable: spec.migratable,
    encrypted: spec.encrypted,
    dataEngine: spec.dataEngine,
    image: spec.image,
    currentImage: status.currentImage,
    backingImage: spec.backingImage,
    dataLocality: spec.dataLocality,
    dataSource: spec.dataSource,
    cloneMode: spec.cloneMode,
    cloneStatus: status.cloneStatus,
    diskSelector: spec.diskSelector,
    nodeSelector: spec.nodeSelector,
    staleReplicaTimeout: spec.staleReplicaTimeout,
    revisionCounterDisabled: spec.revisionCounterDisabled,
    freezeFilesystemForSnapshot: spec.freezeFilesystemForSnapshot,
    offlineRebuilding: spec.offlineRebuilding,
    replicaAutoBalance: spec.replicaAutoBalance,
    replicaDiskSoftAntiAffinity: spec.replicaDiskSoftAntiAffinity,
    replicaRebuildingBandwidthLimit: spec.replicaRebuildingBandwidthLimit,
    replicaSoftAntiAffinity: spec.replicaSoftAntiAffinity,
    replicaZoneSoftAntiAffinity: spec.replicaZoneSoftAntiAffinity,
    snapshotDataIntegrity: spec.snapshotDataIntegrity,
    snapshotMaxCount: spec.snapshotMaxCount,
    snapshotMaxSize: spec.snapshotMaxSize,
    unmapMarkSnapChainRemoved: spec.unmapMarkSnapChainRemoved,
    recurringJobSelector: null,
    standby: spec.Standby || status.isStandby,
    fromBackup: spec.fromBackup,
    restoreRequired: status.restoreRequired,
    restoreInitiated: status.restoreInitiated,
    restoreVolumeRecurringJob: spec.restoreVolumeRecurringJob,
    backupBlockSize: spec.backupBlockSize,
    backupCompressionMethod: spec.backupCompressionMethod,
    backupTargetName: spec.backupTargetName,
    lastBackup: status.lastBackup,
    lastBackupAt: status.lastBackupAt,
    shareEndpoint: status.shareEndpoint,
    shareState: status.shareState,
    kubernetesStatus: status.kubernetesStatus,
    backupStatus: perReplica(
      view,
      ({ status: { backupStatus } }) => backupStatus,
      (entry, id, at) => ({
        id,
        snapshot: entry.snapshotName,
        backupURL: entry.backupURL,
        progress: entry.progress,
        state: entry.state,
        error: entry.error,
        replica: at(entry.replicaAddress),
        size: "",
      }),
    ),
    purgeStatus: purgeStatus(view),
    rebuildStatus: perReplica(
      view,
      ({ status: { rebuildStatus } }) => rebuildStatus,
      (entry, address, at) => ({
        replica: at(address),
        fromReplica: at(entry.fromReplicaAddress),
        isRebuilding: entry.isRebuilding,
        progress: entry.progress,
        state: entry.state,
        error: entry.error,
      }),
    ),
    restoreStatus: perReplica(
      view,
      ({ status: { restoreStatus } }) => restoreStatus,
      (entry, address, at) => ({
        replica: at(address),
        backupURL: entry.backupURL,
        filename: entry.filename,
        isRestoring: entry.isRestoring,
        lastRestored: entry.lastRestored,
        progress: entry.progress,
        state: entry.state,
        error: entry.error,
      }),
    ),
  };
  const actions = actionsOf(body.state, body.robustness, isForceable(view));
  return { type: "volume", id: name, actions, body };
}

/** A workload can use it now. */
function isReady({ spec, status }: Resource<"Volume">): boolean {
  const scheduled = status.conditions.find(({ type }) => type === "Scheduled");
  const isCloning = spec.dataSource !== "" && status.cloneStatus.state !== "completed";
  const isUsedInside = spec.nodeID === "" && status.state !== "detached";
  const lacksPlaces = status.state === "detached" && scheduled?.status === "False";
  return status.robustness !== "faulted" && !status.restoreRequired && !isCloning && !isUsedInside && !lacksPlaces; // prettier-ignore
}

export function byType(conditions: readonly Condition[]): Record<string, Condition> {
  return Object.fromEntries(conditions.map((condition) => [condition.type, condition]));
}

function controllerBody({ metadata, spec, status }: Resource<"Engine">): Body<"controller"> {
  const sizes = Object.values(status.snapshots).map(({ size }) => Number(size) || 0);
  return {
    name: metadata.name,
    hostId: spec.nodeID,
    address: status.storageIP === "" ? status.ip : status.storageIP,
    running: status.currentState === "running",
    endpoint: status.endpoint,
    size: status.currentSize,
    actualSize: String(sizes.reduce((sum, size) => sum + size, 0)),
    image: spec.image,
    currentImage: status.currentImage,
    instanceManagerName: status.instanceManagerName,
    isExpanding: status.isExpanding,
    lastExpansionError: status.lastExpansionError,
    lastExpansionFailedAt: status.lastExpansionFailedAt,
    lastRestoredBackup: status.lastRestoredBackup,
    requestedBackupRestore: spec.requestedBackupRestore,
    unmapMarkSnapChainRemovedEnabled: status.unmapMarkSnapChainRemovedEnabled,
  };
}

/** While no engine tells, one that was never whole must not pass for a copy beside those that were. */
function replicaBody(
  { metadata, spec, status }: Resource<"Replica">,
  { engines, replicas }: VolumeView,
): Body<"replica"> {
  const { name } = metadata;
  const modes = Object.assign({}, ...engines.map(({ status }) => status.replicaModeMap)) as Record<string, string>; // prettier-ignore
  const isUnfinished =
    Object.keys(modes).length === 0 &&
    spec.healthyAt === "" &&
    spec.failedAt === "" &&
    replicas.some((one) => one.spec.healthyAt !== "");
  return {
    name,
    hostId: spec.nodeID,
    diskID: spec.diskID,
    diskPath: spec.diskPath,
    dataPath:
      spec.diskPath === "" ? "" : `${spec.diskPath.replace(/\/+$/, "")}/replicas/${spec.dataDirectoryName}`,
    address: status.storageIP === "" ? status.ip : status.storageIP,
    running: status.currentState === "running",
    mode: modes[name] ?? (isUnfinished ? "WO" : ""),
    failedAt: spec.failedAt,
    dataEngine: spec.dataEngine,
    image: spec.image,
    currentImage: status.currentImage,
    instanceManagerName: status.instanceManagerName,
  };
}

/** Replies have null where no engine tells of a purge. */
function purgeStatus(view: VolumeView): Body<"volume">["purgeStatus"] {
  const found = perReplica(
    view,
    ({ status }) => status.purgeStatus,
    (entry, address, at) => ({
      replica: at(address),
      isPurging: entry.isPurging,
      progress: entry.progress,
      state: entry.state,
      error: entry.error,
    }),
  );
  return found.length === 0 ? null : found;
}

/** Engines tell of replicas by their addresses, as "tcp://ip:port". */
function perReplica<Entry, Shown>(
  { engines }: VolumeView,
  of: (engine: Resource<"Engine">) => Record<string, Entry>,
  show: (entry: Entry, key: string, at: (address: string) => string) => Shown,
): Shown[] {
  return engines.flatMap((engine) => {
    const names = new Map(
      Object.entries({ ...engine.spec.replicaAddressMap, ...engine.status.currentReplicaAddressMap }).map(
        ([name, address]) => [address.replace(/^tcp:\/\//, ""), name],
      ),
    );
    const at = (address: string) => names.get(address.replace(/^tcp:\/\//, "")) ?? address;
    return Object.entries(of(engine)).map(([key, entry]) => show(entry, key, at));
  });
}
