/**
 * Names of snapshots. One is its volume's, that of an object is the whole system's: where another volume's object has it, or no object can
 * have it, the object of a snapshot that an engine has gets another name, and this one is noted with it. Pure.
 */
import { createHash } from "node:crypto";
import type { NewResource, Resource } from "../objects/resource.js";

const NAME = "aurochs.io/snapshot-name";
const DIGEST_LENGTH = 16;

/** @returns the name that it has in its engine, and for users */
export function snapshotName({ metadata }: Resource<"Snapshot">): string {
  return metadata.annotations[NAME] ?? metadata.name;
}

/** @returns the same under a name that no other snapshot's object has */
export function underOtherName(object: NewResource<"Snapshot">): NewResource<"Snapshot"> {
  const owner = object.ownerReferences?.[0]?.uid ?? "";
  const digest = createHash("sha256").update(`${owner}/${object.name}`).digest("hex").slice(0, DIGEST_LENGTH);
  return { ...object, name: `snap-${digest}`, annotations: { [NAME]: object.name } };
}
