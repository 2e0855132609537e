/** `volume.meta`: what the directory as a whole is (Longhorn's keys; those that we do not know are kept). */
import { HEAD_NAME } from "./disk-names.js";
import { Fields, formatObject, parseObject, type JsonObject } from "./json-fields.js";
import { ReplicaError } from "./replica-error.js";

export const VOLUME_META = "volume.meta";

/** The unit of volume sizes, and what Longhorn writes as `SectorSize`, bytes. */
export const SECTOR_BYTES = 512;

export interface VolumeMeta {
  /** bytes */
  size: number;
  /** file name; "" while the directory is being created */
  head: string;
  dirty: boolean;
  /** a rebuild was begun and not completed: the content is not whole */
  rebuilding: boolean;
  error: string;
  /** file name of the head's parent, "" when the head is the root */
  parent: string;
  /** absolute path, or "" */
  backingFilePath: string;
  /** the object as read, for rewriting */
  object: JsonObject;
}

/** @throws {ReplicaError} `DAMAGED`, naming `path` */
export function parseVolumeMeta(text: string, path: string): VolumeMeta {
  const fields = new Fields(parseObject(text, path), path);
  const meta: VolumeMeta = {
    size: fields.count("Size"),
    head: fields.string("Head"),
    dirty: fields.boolean("Dirty"),
    rebuilding: fields.boolean("Rebuilding"),
    error: fields.string("Error"),
    parent: fields.string("Parent"),
    backingFilePath: fields.string("BackingFilePath"),
    object: fields.object,
  };
  if (meta.size === 0 || meta.size % SECTOR_BYTES !== 0) {
    throw new ReplicaError(
      "DAMAGED",
      `${path}: Size ${meta.size} is not a positive multiple of ${SECTOR_BYTES}`,
    );
  }
  const sectorSize = fields.count("SectorSize");
  if (sectorSize !== 0 && sectorSize !== SECTOR_BYTES) {
    throw new ReplicaError("UNSUPPORTED", `${path}: SectorSize ${sectorSize} is not ${SECTOR_BYTES}`);
  }
  if (meta.head !== "" && !HEAD_NAME.test(meta.head)) {
    throw new ReplicaError("DAMAGED", `${path}: Head ${JSON.stringify(meta.head)} is not a head's file name`);
  }
  return meta;
}

/** The content of a new volume's file, in Longhorn's order of keys. */
export function newVolumeMeta(size: number, backingFilePath: string): VolumeMeta {
  const object = {
    Size: size,
    Head: "",
    Dirty: false,
    Rebuilding: false,
    Error: "",
    Parent: "",
    SectorSize: SECTOR_BYTES,
    BackingFilePath: backingFilePath,
  };
  return { size, head: "", dirty: false, rebuilding: false, error: "", parent: "", backingFilePath, object };
}

const KEYS = {
  size: "Size",
  head: "Head",
  dirty: "Dirty",
  rebuilding: "Rebuilding",
  parent: "Parent",
  backingFilePath: "BackingFilePath",
} as const;

type Changes = Partial<Pick<VolumeMeta, keyof typeof KEYS>>;

/** The same with other values. */
export function withChanges(meta: VolumeMeta, changes: Changes): VolumeMeta {
  const object: Record<string, unknown> = { ...meta.object };
  for (const key of Object.keys(changes) as (keyof typeof KEYS)[]) object[KEYS[key]] = changes[key];
  return { ...meta, ...changes, object };
}

export function formatVolumeMeta(meta: VolumeMeta): string {
  return formatObject(meta.object);
}
