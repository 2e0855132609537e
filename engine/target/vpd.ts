/** Vital product data pages (SPC-5 for 00h, 80h, 83h; SBC-4 for B0h to B2h). */
import { COMMAND_LIMITS, inBlocks, PHYSICAL_BLOCK_SIZE, type Geometry } from "./geometry.js";
import { RELATIVE_TARGET_PORT, TARGET_PORTAL_GROUP_TAG, VENDOR, type Identity } from "./identity.js";

export interface VpdContext {
  identity: Identity;
  geometry: Geometry;
}

/** Page code to the bytes after the four of its header. */
const PAGES: ReadonlyMap<number, (context: VpdContext) => Buffer> = new Map([
  [0x00, () => Buffer.from([...PAGES.keys()])],
  [0x80, ({ identity }: VpdContext) => Buffer.from(identity.serial, "latin1")],
  [0x83, deviceIdentification],
  [0xb0, blockLimits],
  [0xb1, blockDeviceCharacteristics],
  [0xb2, logicalBlockProvisioning],
]);

/** @returns the page; null when there is none of that code */
export function vpdPage(code: number, context: VpdContext): Buffer | null {
  const body = PAGES.get(code)?.(context);
  if (body === undefined) return null;
  const header = Buffer.alloc(4);
  header.writeUInt8(code, 1);
  header.writeUInt16BE(body.length, 2);
  return Buffer.concat([header, body]);
}

const ASSOCIATION = { LOGICAL_UNIT: 0x00, TARGET_PORT: 0x10, TARGET_DEVICE: 0x20 } as const;
const CODE_SET = { BINARY: 1, ASCII: 2, UTF8: 3 } as const;
const DESIGNATOR = { T10_VENDOR: 1, NAA: 3, RELATIVE_PORT: 4, PORT_GROUP: 5, SCSI_NAME: 8 } as const;
const PROTOCOL_ISCSI = 0x50;
/** PIV: the protocol identifier is valid; only with the associations other than the logical unit's */
const PROTOCOL_VALID = 0x80;

function designator(codeSet: number, association: number, type: number, value: Buffer): Buffer {
  const ofPort = association !== ASSOCIATION.LOGICAL_UNIT;
  const header = Buffer.of((ofPort ? PROTOCOL_ISCSI : 0) | codeSet, (ofPort ? PROTOCOL_VALID : 0) | association | type, 0, value.length); // prettier-ignore
  return Buffer.concat([header, value]);
}

/** A SCSI name string: ended by at least one zero byte, a multiple of four long. */
function nameString(name: string): Buffer {
  const bytes = Buffer.alloc(Math.ceil((Buffer.byteLength(name) + 1) / 4) * 4);
  bytes.write(name);
  return bytes;
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function deviceIdentification({ identity }: VpdContext): Buffer {
  const { targetName, serial, naa } = identity;
  const port = `${targetName},t,0x${TARGET_PORTAL_GROUP_TAG.toString(16).padStart(4, "0")}`;
  const { LOGICAL_UNIT, TARGET_PORT, TARGET_DEVICE } = ASSOCIATION;
  return Buffer.concat([
    designator(CODE_SET.BINARY, LOGICAL_UNIT, DESIGNATOR.NAA, naa),
    designator(CODE_SET.ASCII, LOGICAL_UNIT, DESIGNATOR.T10_VENDOR, Buffer.from(VENDOR + serial, "latin1")),
    designator(CODE_SET.BINARY, TARGET_PORT, DESIGNATOR.RELATIVE_PORT, number32(RELATIVE_TARGET_PORT)),
    designator(CODE_SET.BINARY, TARGET_PORT, DESIGNATOR.PORT_GROUP, number32(TARGET_PORTAL_GROUP_TAG)),
    designator(CODE_SET.UTF8, TARGET_PORT, DESIGNATOR.SCSI_NAME, nameString(port)),
    designator(CODE_SET.UTF8, TARGET_DEVICE, DESIGNATOR.SCSI_NAME, nameString(targetName)),
  ]);
}

function blockLimits({ geometry }: VpdContext): Buffer {
  const page = Buffer.alloc(64);
  const granularity = Math.max(1, inBlocks(PHYSICAL_BLOCK_SIZE, geometry));
  page.writeUInt8(0x01, 4); // WSNZ: WRITE SAME of zero blocks is refused
  page.writeUInt8(COMMAND_LIMITS.compareAndWriteBlocks, 5);
  page.writeUInt16BE(granularity, 6);
  page.writeUInt32BE(inBlocks(COMMAND_LIMITS.transfer, geometry), 8);
  page.writeUInt32BE(inBlocks(COMMAND_LIMITS.optimalTransfer, geometry), 12);
  page.writeUInt32BE(inBlocks(COMMAND_LIMITS.unmap, geometry), 20);
  page.writeUInt32BE(COMMAND_LIMITS.unmapDescriptors, 24);
  page.writeUInt32BE(granularity, 28);
  page.writeUInt32BE(0x8000_0000, 32); // UGAVALID, alignment 0
  page.writeBigUInt64BE(BigInt(inBlocks(COMMAND_LIMITS.writeSame, geometry)), 36);
  return page.subarray(4);
}

function blockDeviceCharacteristics(): Buffer {
  const page = Buffer.alloc(64);
  page.writeUInt16BE(1, 4); // MEDIUM ROTATION RATE: does not rotate
  return page.subarray(4);
}

function logicalBlockProvisioning(): Buffer {
  const LBPU = 0x80;
  const LBPWS = 0x40;
  const LBPWS10 = 0x20;
  const LBPRZ = 0x04; // 001b: unmapped blocks read as zeros
  const THIN = 0x02;
  return Buffer.of(0, LBPU | LBPWS | LBPWS10 | LBPRZ, THIN, 0);
}
