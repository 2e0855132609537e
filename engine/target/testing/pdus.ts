/** Request PDUs as an initiator writes them (RFC 7143 §11), and what tests read of the answers. */
import type { Pair } from "../text.js";

export interface LoginFields {
  transit?: boolean;
  more?: boolean;
  currentStage?: number;
  nextStage?: number;
  versionMax?: number;
  versionMin?: number;
  isid?: string;
  tsih?: number;
  itt?: number;
  cid?: number;
  cmdSn?: number;
}

export function loginRequest(fields: LoginFields = {}): Buffer {
  const bhs = Buffer.alloc(48);
  const flags =
    (fields.transit === true ? 0x80 : 0) |
    (fields.more === true ? 0x40 : 0) |
    ((fields.currentStage ?? 0) << 2) |
    (fields.nextStage ?? 0);
  bhs.writeUInt8(0x43, 0);
  bhs.writeUInt8(flags, 1);
  bhs.writeUInt8(fields.versionMax ?? 0, 2);
  bhs.writeUInt8(fields.versionMin ?? 0, 3);
  bhs.write(fields.isid ?? "00023d000001", 8, "hex");
  bhs.writeUInt16BE(fields.tsih ?? 0, 14);
  bhs.writeUInt32BE(fields.itt ?? 0x1111, 16);
  bhs.writeUInt16BE(fields.cid ?? 0, 20);
  bhs.writeUInt32BE(fields.cmdSn ?? 1, 24);
  return bhs;
}

export function textData(pairs: readonly Pair[] | Readonly<Record<string, string>>): Buffer {
  const list: readonly (readonly string[])[] = Array.isArray(pairs)
    ? (pairs as readonly Pair[])
    : Object.entries(pairs);
  return Buffer.from(list.map(([name = "", value = ""]) => `${name}=${value}\0`).join(""));
}

export function readText(data: Buffer): Record<string, string> {
  const items = data.toString().split("\0").filter((item) => item !== ""); // prettier-ignore
  return Object.fromEntries(
    items.map((item) => [item.slice(0, item.indexOf("=")), item.slice(item.indexOf("=") + 1)]),
  );
}

export function loginAnswer(bhs: Buffer): { transit: boolean; stages: string; status: number; tsih: number } {
  const flags = bhs.readUInt8(1);
  return {
    transit: (flags & 0x80) !== 0,
    stages: `${(flags >> 2) & 3}>${flags & 3}`,
    status: bhs.readUInt16BE(36),
    tsih: bhs.readUInt16BE(14),
  };
}

/** `opcode` with the immediate bit as wanted; fields that all full feature requests share. */
export function request(
  opcode: number,
  flags: number,
  fields: { itt?: number; cmdSn?: number; expStatSn?: number; lun?: number; at20?: number } = {},
): Buffer {
  const bhs = Buffer.alloc(48);
  bhs.writeUInt8(opcode, 0);
  bhs.writeUInt8(flags, 1);
  bhs.writeUInt16BE(fields.lun ?? 0, 8);
  bhs.writeUInt32BE(fields.itt ?? 0x2222, 16);
  bhs.writeUInt32BE(fields.at20 ?? 0, 20);
  bhs.writeUInt32BE(fields.cmdSn ?? 1, 24);
  bhs.writeUInt32BE(fields.expStatSn ?? 0, 28);
  return bhs;
}

/** A CDB from hexadecimal digits, padded to 16 bytes. */
export function cdbOf(hex: string): Buffer {
  const cdb = Buffer.alloc(16);
  cdb.write(hex.replaceAll(" ", ""), "hex");
  return cdb;
}
