/** `X.img.meta`: one data file's place in the chain (Longhorn's keys). Read only, but for a new volume's first head. */
import { Fields, parseObject } from "./json-fields.js";
import { ReplicaError } from "./replica-error.js";

export const META_SUFFIX = ".meta";

export interface DiskMeta {
  /** file name of the parent, "" at the root */
  parent: string;
  removed: boolean;
  userCreated: boolean;
  created: string;
}

// A name is used as a path inside the directory: nothing else may be reached through it.
const DATA_FILE_NAME = /^volume-[^/\0]*\.img$/;

/** @throws {ReplicaError} `DAMAGED`, naming `path` */
export function parseDiskMeta(text: string, path: string): DiskMeta {
  const fields = new Fields(parseObject(text, path), path);
  fields.child("Labels");
  const meta = {
    parent: fields.string("Parent"),
    removed: fields.boolean("Removed"),
    userCreated: fields.boolean("UserCreated"),
    created: fields.string("Created"),
  };
  if (meta.parent !== "" && !DATA_FILE_NAME.test(meta.parent)) {
    throw new ReplicaError(
      "DAMAGED",
      `${path}: Parent ${JSON.stringify(meta.parent)} is not a data file's name`,
    );
  }
  return meta;
}

/** The first head of a new volume. @param created RFC 3339, seconds, UTC */
export function formatHeadMeta(name: string, created: string): string {
  const object = {
    Name: name,
    Parent: "",
    Removed: false,
    UserCreated: false,
    Created: created,
    Labels: null,
  };
  return `${JSON.stringify(object)}\n`;
}
