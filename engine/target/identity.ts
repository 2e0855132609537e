/** Who the disk says it is: the same on every node and after every restart, as it is derived from the volume alone. */
import { createHash } from "node:crypto";

export const VENDOR = "AUROCHS ";
export const PRODUCT = "REPLICATED-DISK ";
export const REVISION = "0001";

/** The one target port there is. */
export const RELATIVE_TARGET_PORT = 1;
export const TARGET_PORTAL_GROUP_TAG = 1;

export interface Identity {
  targetName: string;
  /** unit serial number, printable ASCII */
  serial: string;
  /** NAA locally assigned (type 3): nobody here has an IEEE company id to make a worldwide one */
  naa: Buffer;
}

/** @param volume name or id of the volume; what `serial` and `naa` are derived from */
export function identityOf(targetName: string, volume: string): Identity {
  const digest = createHash("sha256").update(`aurochs volume ${volume}`).digest();
  const naa = Buffer.from(digest.subarray(16, 24));
  naa.writeUInt8(0x30 | (naa.readUInt8(0) & 0x0f), 0);
  return { targetName, serial: digest.toString("hex", 0, 16), naa };
}
