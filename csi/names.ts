/** Names that objects can have, from names that Kubernetes gives: long or odd ones by a hash. Pure. */
import { createHash } from "node:crypto";

const VOLUME_CHARS_MAX = 40;
const SNAPSHOT_CHARS_MAX = 63;
const VOLUME_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])$/;
const SNAPSHOT_NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

/** Longhorn's way: the hash is of the name as it was given. */
export function volumeName(given: string): string {
  const name = given.toLowerCase();
  if (name.length <= VOLUME_CHARS_MAX && VOLUME_NAME.test(name)) return name;
  return shortened(plain(name), 31, sha512(given, 8));
}

/** As it is where it can be. */
export function snapshotName(given: string): string {
  if (given.length <= SNAPSHOT_CHARS_MAX && SNAPSHOT_NAME.test(given) && given !== "volume-head")
    return given;
  return shortened(plain(given.toLowerCase()), 46, sha512(given, 16));
}

/** What is no letter, no digit and no hyphen cannot be in there. */
function plain(name: string): string {
  return name.replace(/[^-a-z0-9]/g, "-").replace(/^-+/, "");
}

function shortened(name: string, chars: number, hash: string): string {
  const start = name.slice(0, chars).replace(/-+$/, "");
  return start === "" ? `v-${hash}` : `${start}-${hash}`;
}

function sha512(text: string, digits: number): string {
  return createHash("sha512").update(text).digest("hex").slice(0, digits);
}

/** Of the ticket by which a node has a volume: the name that Kubernetes gives its VolumeAttachment. */
export function attachmentName(volume: string, driver: string, node: string): string {
  return `csi-${createHash("sha256").update(`${volume}${driver}${node}`).digest("hex")}`;
}
