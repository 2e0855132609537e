/** `X.img.meta`: one data file's place in the chain (Longhorn's keys; those that we do not know are kept). */
import { DATA_FILE_NAME } from "./disk-names.js";
import { Fields, formatObject, parseObject, type JsonObject } from "./json-fields.js";
import { ReplicaError } from "./replica-error.js";

export const META_SUFFIX = ".meta";

/** Of a snapshot's file of checksums, as Longhorn names it. */
export const CHECKSUM_SUFFIX = ".checksum";

export interface DiskMeta {
  /** file name of the parent, "" at the root */
  parent: string;
  removed: boolean;
  userCreated: boolean;
  /** as given, by convention RFC 3339 in seconds, UTC */
  created: string;
  labels: Labels | null;
  /** keys that we do not know, for rewriting */
  others: JsonObject;
}

export type Labels = Readonly<Record<string, string>>;

const KEYS = new Set(["Name", "Parent", "Removed", "UserCreated", "Created", "Labels"]);

/** @throws {ReplicaError} `DAMAGED`, naming `path` */
export function parseDiskMeta(text: string, path: string): DiskMeta {
  const fields = new Fields(parseObject(text, path), path);
  const labels = fields.child("Labels");
  if (labels !== null && !isLabels(labels))
    throw new ReplicaError("DAMAGED", `${path}: Labels has a value that is not a string`);
  const meta = {
    parent: fields.string("Parent"),
    removed: fields.boolean("Removed"),
    userCreated: fields.boolean("UserCreated"),
    created: fields.string("Created"),
    labels,
    others: Object.fromEntries(Object.entries(fields.object).filter(([key]) => !KEYS.has(key))),
  };
  if (meta.parent !== "" && !DATA_FILE_NAME.test(meta.parent)) {
    throw new ReplicaError(
      "DAMAGED",
      `${path}: Parent ${JSON.stringify(meta.parent)} is not a data file's name`,
    );
  }
  return meta;
}

function isLabels(object: JsonObject): object is Labels {
  return Object.values(object).every((value) => typeof value === "string");
}

/** The file's text, keys in Longhorn's order.
 * @param name what the key Name says: the file's own name, but for a snapshot the name it had as the head */
export function formatDiskMeta(name: string, meta: DiskMeta): string {
  const known = {
    Name: name,
    Parent: meta.parent,
    Removed: meta.removed,
    UserCreated: meta.userCreated,
    Created: meta.created,
    Labels: meta.labels === null ? null : sorted(meta.labels),
  };
  return formatObject({ ...known, ...meta.others });
}

function sorted(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A head's meta. @param created RFC 3339, seconds, UTC */
export function headMeta(parent: string, created: string): DiskMeta {
  return { parent, removed: false, userCreated: false, created, labels: null, others: {} };
}
