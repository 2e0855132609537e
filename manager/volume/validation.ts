/** What a volume may be, and what may be changed of it. Pure. Facts: manager.md section 2.2. */
import type { Resource } from "../objects/resource.js";
import type { SpecOf } from "../objects/kinds.js";
import { bytesOf, formatBytes } from "../objects/bytes.js";
import { RuleError } from "../rule-error.js";
import { cloneSource } from "./cloning.js";
import { SIZE_UNIT_BYTES } from "./creation.js";

type VolumeSpec = SpecOf<"Volume">;

const REPLICAS_MAX = 20;
const SNAPSHOTS_MIN = 2;
const SNAPSHOTS_MAX = 250;

/** What of the cluster counts for volumes. */
export interface VolumeSurroundings {
  nodeTags: ReadonlySet<string>;
  diskTags: ReadonlySet<string>;
  /** volumes of the data engine v1 may be made */
  makesV1: boolean;
  /** bytes, of the volume that is cloned; null: there is none */
  sizeOf: (volume: string) => number | null;
}

/** @throws {RuleError} */
export function checkVolumeName(name: string): void {
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])$/.test(name))
    throw invalid(
      "name",
      `${JSON.stringify(name)} is no name: it has lower-case letters, digits and "-", at least two of them, and begins and ends with a letter or digit`,
    );
}

/** @throws {RuleError} a new volume may not be like that */
export function checkNewVolume(spec: VolumeSpec, around: VolumeSurroundings): void {
  if (spec.fromBackup !== "") throw notYet("fromBackup: backups");
  if (spec.Standby) throw invalid("standby", "needs fromBackup");
  if (spec.dataEngine === "v2") throw notYet("dataEngine: the data engine v2");
  if (!around.makesV1)
    throw refused("dataEngine", "no volume is made while the setting v1-data-engine is false");
  if (spec.backingImage !== "") throw notYet("backingImage: backing images");
  if (bytesOf(spec.size) < SIZE_UNIT_BYTES)
    throw invalid("size", `${spec.size} is less than ${formatBytes(SIZE_UNIT_BYTES)}`);
  checkFields(spec);
  checkSnapshotMaxSize(spec);
  checkTags("nodeSelector", "node", spec.nodeSelector, around.nodeTags);
  checkTags("diskSelector", "disk", spec.diskSelector, around.diskTags);
  if (spec.dataSource !== "") checkSource(spec, around);
  else if (spec.cloneMode !== "") throw invalid("cloneMode", "needs dataSource");
}

/** @throws {RuleError} what has the spec `before` may not become `after` now
 * @param engine that runs it; null: none does */
export function checkVolumeChange(
  { metadata, spec: before, status }: Resource<"Volume">,
  after: VolumeSpec,
  engine: Resource<"Engine"> | null,
): void {
  for (const field of IMMUTABLE)
    if (before[field] !== "" && before[field] !== after[field])
      throw invalid(field, `cannot be changed: it is ${before[field]}`);
  checkFields(after);
  // One that does not fit was there before the rule: whatever else is changed may be.
  if (before.snapshotMaxSize !== after.snapshotMaxSize) checkSnapshotMaxSize(after);
  if ((before.dataLocality === "strict-local") !== (after.dataLocality === "strict-local"))
    needDetached(status.state, "dataLocality", "changes to and from strict-local");
  if (before.accessMode !== after.accessMode) needDetached(status.state, "accessMode", "changes");
  if (
    before.migrationNodeID !== "" &&
    after.migrationNodeID !== "" &&
    before.migrationNodeID !== after.migrationNodeID
  )
    // prettier-ignore
    throw refused("migrationNodeID", `volume ${metadata.name} is on its way to ${before.migrationNodeID}`);
  if (engine !== null) checkSnapshotBounds(before, after, engine);
}

const IMMUTABLE = [
  "dataEngine",
  "backupCompressionMethod",
  "dataSource",
  "cloneMode",
  "backupBlockSize",
] as const satisfies readonly (keyof VolumeSpec)[];

function checkFields(spec: VolumeSpec): void {
  const { numberOfReplicas: count } = spec;
  if (count < 1 || count > REPLICAS_MAX)
    throw invalid("numberOfReplicas", `has to be from 1 to ${REPLICAS_MAX}, not ${count}`);
  if (spec.dataLocality === "strict-local") {
    if (count !== 1) throw invalid("numberOfReplicas", `strict-local volumes have exactly 1, not ${count}`);
    if (spec.accessMode === "rwx" && !spec.migratable)
      throw invalid("dataLocality", "strict-local volumes are not rwx, unless they are migratable");
  }
  if (spec.migratable && spec.accessMode !== "rwx") throw invalid("migratable", "needs accessMode rwx");
  if (!spec.Standby && spec.frontend !== "blockdev" && spec.frontend !== "iscsi")
    throw invalid("frontend", `has to be blockdev or iscsi, not ${JSON.stringify(spec.frontend)}`);
  if (spec.cloneMode === "linked-clone") throw invalid("cloneMode", "linked-clone needs the data engine v2");
  const { snapshotMaxCount } = spec;
  if (snapshotMaxCount < SNAPSHOTS_MIN || snapshotMaxCount > SNAPSHOTS_MAX)
    throw invalid(
      "snapshotMaxCount",
      `has to be from ${SNAPSHOTS_MIN} to ${SNAPSHOTS_MAX}, not ${snapshotMaxCount}`,
    );
  if (spec.staleReplicaTimeout < 0) throw invalid("staleReplicaTimeout", "is less than 0");
  if (spec.replicaRebuildingBandwidthLimit !== 0)
    throw invalid("replicaRebuildingBandwidthLimit", "is for the data engine v2");
}

function checkSnapshotMaxSize({ size, snapshotMaxSize }: VolumeSpec): void {
  if (!fitsSnapshots(bytesOf(size), bytesOf(snapshotMaxSize)))
    throw invalid(
      "snapshotMaxSize",
      `has to be 0 or at least twice the volume's size, ${formatBytes(2 * bytesOf(size))}`,
    );
}

/** @param size bytes, as `maxSize`, of which 0 is no bound */
export function fitsSnapshots(size: number, maxSize: number): boolean {
  return maxSize === 0 || maxSize >= 2 * size;
}

/** As many as there are may stay. */
function checkSnapshotBounds(before: VolumeSpec, after: VolumeSpec, { status }: Resource<"Engine">): void {
  const snapshots = Object.values(status.snapshots).filter(({ name }) => name !== "volume-head");
  if (after.snapshotMaxCount < before.snapshotMaxCount && after.snapshotMaxCount < snapshots.length)
    throw refused("snapshotMaxCount", `the volume has ${snapshots.length} snapshots`);
  const used = snapshots.reduce((sum, { size }) => sum + Number(size), 0);
  const max = bytesOf(after.snapshotMaxSize);
  if (max !== 0 && max !== bytesOf(before.snapshotMaxSize) && max < used)
    throw refused("snapshotMaxSize", `the volume's snapshots have ${formatBytes(used)}`);
}

function checkTags(
  field: string,
  what: "node" | "disk",
  wanted: readonly string[],
  present: ReadonlySet<string>,
): void {
  const lacking = wanted.filter((tag) => !present.has(tag));
  if (lacking.length > 0) throw invalid(field, `no ${what} has the tag ${lacking.join(", ")}`);
}

function checkSource({ dataSource, size }: VolumeSpec, { sizeOf }: VolumeSurroundings): void {
  const volume = cloneSource(dataSource)?.volume ?? null;
  if (volume === null)
    throw invalid("dataSource", `${dataSource} is neither snap://VOLUME/SNAPSHOT nor vol://VOLUME`);
  const expected = sizeOf(volume);
  if (expected === null) throw invalid("dataSource", `volume ${volume} is not found`);
  if (expected !== bytesOf(size))
    throw invalid("size", `has to be that of volume ${volume}, ${expected}, not ${size}`);
}

function needDetached(state: string, field: string, what: string): void {
  if (state !== "detached")
    throw refused(
      field,
      `${what} only while the volume is detached; it is ${state === "" ? "creating" : state}`,
    );
}

function invalid(field: string, why: string): RuleError {
  return new RuleError("INVALID", `volume: ${field}: ${why}`);
}

function refused(field: string, why: string): RuleError {
  return new RuleError("REFUSED", `volume: ${field}: ${why}`);
}

function notYet(what: string): RuleError {
  return new RuleError("NOT_AVAILABLE", `volume: not available yet: ${what}`);
}
