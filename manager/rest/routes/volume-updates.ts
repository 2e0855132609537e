/** One property of a volume is changed: a table of which action changes which. */
import { checkSpec } from "../../objects/check.js";
import type { Resource } from "../../objects/resource.js";
import type { SpecOf } from "../../objects/kinds.js";
import { checkVolumeChange } from "../../volume/validation.js";
import { need, volumeView, type Backend } from "../backend.js";
import { ApiError } from "../http/errors.js";
import type { Reply, Route } from "../http/router.js";
import type { Body, SchemaId } from "../schemas/index.js";
import { checkInput } from "../schemas/input.js";
import { changeVolume, quantity, volumeReply } from "./volumes.js";
import { volumeAction } from "./volume-actions.js";

type VolumeSpec = SpecOf<"Volume">;

interface Update {
  action: string;
  input: SchemaId;
  field: string;
  /** @returns what is different then, as objects have it */
  change: (value: unknown) => Partial<VolumeSpec>;
}

/** @param field of the input, and of the volume's spec unless there is a `change` */
function update<Id extends SchemaId, Field extends keyof Body<Id> & string>(
  action: string,
  input: Id,
  field: Field,
  change: (value: Body<Id>[Field]) => Partial<VolumeSpec> = (value) => ({ [field]: value }),
): Update {
  return { action, input, field, change: change as Update["change"] };
}

const UPDATES: readonly Update[] = [
  update("offlineReplicaRebuilding", "UpdateOfflineRebuildingInput", "offlineRebuilding"),
  update("updateAccessMode", "UpdateAccessModeInput", "accessMode"),
  update("updateBackupCompressionMethod", "UpdateBackupCompressionInput", "backupCompressionMethod"),
  update("updateBackupTargetName", "UpdateBackupTargetInput", "backupTargetName"),
  update("updateDataLocality", "UpdateDataLocalityInput", "dataLocality"),
  update("updateFreezeFilesystemForSnapshot", "UpdateFreezeFilesystemForSnapshotInput", "freezeFilesystemForSnapshot"), // prettier-ignore
  update("updateReplicaAutoBalance", "UpdateReplicaAutoBalanceInput", "replicaAutoBalance"),
  update("updateReplicaCount", "UpdateReplicaCountInput", "replicaCount", (numberOfReplicas) => ({ numberOfReplicas })), // prettier-ignore
  update("updateReplicaDiskSoftAntiAffinity", "UpdateReplicaDiskSoftAntiAffinityInput", "replicaDiskSoftAntiAffinity"), // prettier-ignore
  update("updateReplicaSoftAntiAffinity", "UpdateReplicaSoftAntiAffinityInput", "replicaSoftAntiAffinity"),
  update("updateReplicaZoneSoftAntiAffinity", "UpdateReplicaZoneSoftAntiAffinityInput", "replicaZoneSoftAntiAffinity"), // prettier-ignore
  update("updateReplicaRebuildingBandwidthLimit", "UpdateReplicaRebuildingBandwidthLimitInput", "replicaRebuildingBandwidthLimit", (text) => ({ replicaRebuildingBandwidthLimit: wholeNumber("replicaRebuildingBandwidthLimit", text) })), // prettier-ignore
  update("updateSnapshotDataIntegrity", "UpdateSnapshotDataIntegrityInput", "snapshotDataIntegrity"),
  update("updateSnapshotMaxCount", "UpdateSnapshotMaxCountInput", "snapshotMaxCount"),
  update("updateSnapshotMaxSize", "UpdateSnapshotMaxSizeInput", "snapshotMaxSize", (text) => ({ snapshotMaxSize: quantity("volume: snapshotMaxSize", text) })), // prettier-ignore
  update("updateUnmapMarkSnapChainRemoved", "UpdateUnmapMarkSnapChainRemovedInput", "unmapMarkSnapChainRemoved"), // prettier-ignore
];

export function volumeUpdateRoutes(backend: Backend): Route[] {
  return UPDATES.map((one) =>
    volumeAction(one.action, async (name, call) => apply(backend, one, name, await call.body())),
  );
}

async function apply(
  backend: Backend,
  { input, field, change }: Update,
  name: string,
  body: unknown,
): Promise<Reply> {
  const uses = [field] as never[];
  const given = checkInput(input, body, { uses, needs: uses }) as Record<string, unknown>;
  if (given[field] === "") throw new ApiError("INVALID", `${input}: ${field} is empty`);
  const changes = change(given[field]);
  const { engines } = await volumeView(backend, await need(backend, "Volume", "volume", name));
  if (changes.backupTargetName !== undefined && changes.backupTargetName !== "default")
    await need(backend, "BackupTarget", "backupTarget", changes.backupTargetName);
  const volume = await changeVolume(backend, name, (object: Resource<"Volume">) => {
    const after = checkSpec("Volume", name, { ...object.spec, ...changes });
    checkVolumeChange(object, after, engines[0] ?? null);
    object.spec = after;
  });
  return volumeReply(backend, volume);
}

function wholeNumber(field: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new ApiError("INVALID", `volume: ${field}: ${JSON.stringify(text)} is no whole number`); // prettier-ignore
  return Number(text);
}
