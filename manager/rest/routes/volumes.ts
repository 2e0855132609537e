/** Volumes: made, removed, attached, detached, expanded. */
import { parseQuantity } from "../../objects/quantity.js";
import { bytesOf, formatBytes } from "../../objects/bytes.js";
import { checkSpec } from "../../objects/check.js";
import { isDeleted, type Resource } from "../../objects/resource.js";
import type { SpecOf } from "../../objects/kinds.js";
import { modify } from "../../store/store.js";
import { unfinishedCopies } from "../../volume/cloning.js";
import { checkExpansion } from "../../volume/expansion.js";
import {
  newVolume,
  newVolumeAttachment,
  roundUpSize,
  SIZE_BYTES_MAX,
  volumeName,
} from "../../volume/creation.js";
import { withDefaultGroup, withJob } from "../../volume/recurring-labels.js";
import { checkNewVolume, checkVolumeName, type VolumeSurroundings } from "../../volume/validation.js";
import type { SettingValues } from "../../settings/settings.js";
import { loadSettings } from "../../settings/stored.js";
import { need, readCluster, volumeView, type Backend } from "../backend.js";
import { ApiError, missing } from "../http/errors.js";
import { EMPTY, item, type Call, type Reply, type Route } from "../http/router.js";
import { volumeToResource } from "../resources/volume.js";
import type { Given } from "../schemas/index.js";
import { checkInput } from "../schemas/input.js";

/** As a POST of a new volume has it, and no more: what only the system says of a volume is left alone. */
const CREATION_FIELDS = [
  "accessMode", "backingImage", "backupBlockSize", "backupCompressionMethod", "backupTargetName", "cloneMode",
  "dataEngine", "dataLocality", "dataSource", "diskSelector", "encrypted", "freezeFilesystemForSnapshot",
  "fromBackup", "frontend", "migratable", "name", "nodeSelector", "numberOfReplicas", "offlineRebuilding",
  "recurringJobSelector", "replicaAutoBalance", "replicaDiskSoftAntiAffinity", "replicaRebuildingBandwidthLimit",
  "replicaSoftAntiAffinity", "replicaZoneSoftAntiAffinity", "restoreVolumeRecurringJob",
  "revisionCounterDisabled", "size", "snapshotDataIntegrity", "snapshotMaxCount", "snapshotMaxSize",
  "staleReplicaTimeout", "standby", "unmapMarkSnapChainRemoved",
] as const; // prettier-ignore

/** The dashboard's forms have them. */
const FORM_FIELDS = ["dataSourceVolume", "dataSourceSnapshot", "dataSourceType", "snapshotSizeUnit", "unit", "enableBackingImage", "backupVolume"]; // prettier-ignore

export function volumeRoutes(backend: Backend): Route[] {
  const path = "/v1/volumes/{name}";
  return [
    { method: "GET", path, handle: ({ params }) => show(backend, params["name"] ?? "") },
    { method: "POST", path: "/v1/volumes", handle: (call) => create(backend, call) },
    { method: "DELETE", path, handle: ({ params }) => remove(backend, params["name"] ?? "") },
  ];
}

async function show(backend: Backend, name: string): Promise<Reply> {
  const volume = await backend.store.get("Volume", name);
  return volume === null ? { reply: "nothing" } : volumeReply(backend, volume);
}

/** The volume as it is now, with all that belongs to it. */
export async function volumeReply(backend: Backend, volume: Resource<"Volume">): Promise<Reply> {
  return item(volumeToResource(await volumeView(backend, volume)));
}

async function create(backend: Backend, call: Call): Promise<Reply> {
  const { store } = backend;
  const given = checkInput("volume", await call.body(), {
    uses: CREATION_FIELDS,
    needs: ["name", "size"],
    ignores: FORM_FIELDS,
  });
  const name = volumeName(given.name ?? "");
  checkVolumeName(name);
  const settings = await loadSettings(store);
  const object = newVolume(name, givenSpec(given), givenLabels(given), settings);
  checkNewVolume(checkSpec("Volume", name, object.spec), await surroundings(backend, settings));
  // Of a volume of this name that is gone, unless that is there: who wanted that one does not want this one.
  const stale = await store.get("VolumeAttachment", name);
  if ((await store.get("Volume", name)) !== null)
    throw new ApiError("REFUSED", `volume: name: volume ${name} exists already`);
  if (stale !== null) await store.delete("VolumeAttachment", name, stale.metadata.uid);
  const volume = await store.create(object);
  await store.create(newVolumeAttachment(volume));
  return volumeReply(backend, volume);
}

/** Fields that objects have by another name, or in another form. */
const CONVERTED: ReadonlySet<string> = new Set([
  "name",
  "recurringJobSelector",
  "standby",
  "size",
  "snapshotMaxSize",
]);

function givenSpec(given: Given<"volume">): Partial<SpecOf<"Volume">> {
  const { standby = false, size = "", snapshotMaxSize = "" } = given;
  const others = Object.fromEntries(Object.entries(given).filter(([field]) => !CONVERTED.has(field)));
  return {
    // Words are checked with the object.
    ...(others as Partial<SpecOf<"Volume">>),
    Standby: standby,
    size: quantity("volume: size", size),
    snapshotMaxSize: quantity("volume: snapshotMaxSize", snapshotMaxSize),
  };
}

function givenLabels({ recurringJobSelector }: Given<"volume">): Record<string, string> {
  let labels: Record<string, string> = {};
  for (const { name, isGroup = false } of (recurringJobSelector ?? []) as Given<"volumeRecurringJob">[]) {
    if (!isJobName(name))
      throw new ApiError("INVALID", `volume: recurringJobSelector: ${String(name)} is no name of a job`);
    labels = withJob(labels, { name, isGroup });
  }
  return withDefaultGroup(labels);
}

export function isJobName(name: unknown): name is string {
  return typeof name === "string" && name.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name);
}

/** @param text a quantity, "" for none
 * @returns bytes, as decimal digits */
export function quantity(field: string, text: string): string {
  const bytes = text === "" ? 0 : parseQuantity(text);
  const refuse = (why: string) => new ApiError("INVALID", `${field}: ${JSON.stringify(text)} ${why}`);
  if (bytes === null) throw refuse('is no amount of bytes, as "10Gi"');
  if (bytes > SIZE_BYTES_MAX) throw refuse(`is more than ${formatBytes(SIZE_BYTES_MAX)}`);
  return String(bytes);
}

async function surroundings({ store }: Backend, settings: SettingValues): Promise<VolumeSurroundings> {
  const [nodes, volumes] = [await store.list("Node"), await store.list("Volume")];
  const sizes = new Map(volumes.map(({ metadata, spec }) => [metadata.name, bytesOf(spec.size)]));
  return {
    nodeTags: new Set(nodes.flatMap(({ spec }) => spec.tags)),
    diskTags: new Set(nodes.flatMap(({ spec }) => Object.values(spec.disks).flatMap(({ tags }) => tags))),
    makesV1: settings.flag("v1-data-engine"),
    sizeOf: (volume) => sizes.get(volume) ?? null,
  };
}

async function remove(backend: Backend, name: string): Promise<Reply> {
  const volume = await need(backend, "Volume", "volume", name);
  const copies = unfinishedCopies(await backend.store.list("Volume"), name);
  if (copies.length > 0)
    throw new ApiError("REFUSED", `volume ${name} is being copied into ${copies.join(", ")}, which has to be whole, or gone, first`); // prettier-ignore
  await backend.store.delete("Volume", name, volume.metadata.uid);
  return EMPTY;
}

/** Changes a volume that is there and stays.
 * @param change throws what is to be answered when it may not be */
export async function changeVolume(
  { store }: Backend,
  name: string,
  change: (volume: Resource<"Volume">) => void,
): Promise<Resource<"Volume">> {
  const volume = await modify(store, "Volume", name, "spec", (object) => {
    if (isDeleted(object)) throw new ApiError("REFUSED", `volume ${name} is being deleted`);
    change(object);
  });
  if (volume === null) throw missing("volume", name);
  return volume;
}

export async function expand(backend: Backend, name: string, size: string): Promise<Resource<"Volume">> {
  const volume = await need(backend, "Volume", "volume", name);
  const wanted = roundUpSize(Number(quantity("expandInput: size", size)));
  const { replicas } = await volumeView(backend, volume);
  const cluster = await readCluster(backend);
  const copies = unfinishedCopies(await backend.store.list("Volume"), name);
  return changeVolume(backend, name, (object) => {
    checkExpansion(object, wanted, replicas, copies, cluster);
    object.spec.size = String(wanted);
  });
}

/** The volume stays as large as its engine has it. */
export async function cancelExpansion(backend: Backend, name: string): Promise<Resource<"Volume">> {
  const volume = await need(backend, "Volume", "volume", name);
  const { engines } = await volumeView(backend, volume);
  const refuse = (why: string) => new ApiError("REFUSED", `volume ${name}: ${why}`);
  const [engine] = engines;
  const present = engine?.status.currentSize ?? "0";
  if (engine === undefined || present === "0" || bytesOf(present) >= bytesOf(volume.spec.size))
    throw refuse("it is not being expanded");
  if (engine.status.isExpanding) throw refuse("its engine is expanding it already");
  const changed = await changeVolume(backend, name, ({ spec }) => {
    spec.size = present;
  });
  backend.events.record({
    type: "Normal",
    reason: "CanceledExpansion",
    message: `expansion of volume ${name} is cancelled: it stays at ${present} bytes`,
    source: "longhorn-volume-controller",
    object: { kind: "Volume", name, uid: volume.metadata.uid },
  });
  return changed;
}
