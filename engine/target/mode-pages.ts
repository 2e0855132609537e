/**
 * Mode pages (SPC-5, SBC-4). Of all the fields one can be changed: SWP, the software write protection, in the control
 * page. It is shared by all nexuses and, as nothing is saved, off again after a restart or a reset.
 */
import { blockCount, type Geometry } from "./geometry.js";
import { CheckCondition, SENSE } from "./sense.js";

export interface ModeState {
  writeProtected: boolean;
}

export const MODE_DEFAULTS: ModeState = { writeProtected: false };

const PAGE_CONTROL = { CURRENT: 0, CHANGEABLE: 1, DEFAULT: 2, SAVED: 3 } as const;
const SWP = 0x08;

interface ModePage {
  code: number;
  /** with the page code and length bytes */
  current: (state: ModeState) => Buffer;
  /** ones where MODE SELECT may change; the header bytes are 0 */
  changeable: Buffer;
}

function page(code: number, length: number, fields: Readonly<Record<number, number>>): Buffer {
  const bytes = Buffer.alloc(length + 2);
  bytes.writeUInt8(code, 0);
  bytes.writeUInt8(length, 1);
  for (const [offset, value] of Object.entries(fields)) bytes.writeUInt8(value, Number(offset));
  return bytes;
}

const PAGES: readonly ModePage[] = [
  {
    code: 0x01, // read-write error recovery: AWRE, ARRE
    current: () => page(0x01, 0x0a, { 2: 0xc0 }),
    changeable: Buffer.alloc(0x0c),
  },
  {
    code: 0x08, // caching: WCE, as FLUSH and FUA are what makes writes durable
    current: () => page(0x08, 0x12, { 2: 0x04 }),
    changeable: Buffer.alloc(0x14),
  },
  {
    code: 0x0a, // control: GLTSD, unrestricted reordering, SWP; D_SENSE and TAS are 0
    current: ({ writeProtected }) => page(0x0a, 0x0a, { 2: 0x02, 3: 0x10, 4: writeProtected ? SWP : 0 }),
    changeable: Buffer.of(0, 0, 0, 0, SWP, 0, 0, 0, 0, 0, 0, 0),
  },
  {
    code: 0x1c, // informational exceptions control: DEXCPT, there are none
    current: () => page(0x1c, 0x0a, { 2: 0x08 }),
    changeable: Buffer.alloc(0x0c),
  },
];

const ALL_PAGES = 0x3f;
const ALL_SUBPAGES = 0xff;

/** @param long the 10-byte command, whose header is longer
 * @throws {CheckCondition} */
export function modeSense(cdb: Buffer, long: boolean, state: ModeState, geometry: Geometry): Buffer {
  const flags = cdb.readUInt8(1);
  const code = cdb.readUInt8(2) & 0x3f;
  const control = cdb.readUInt8(2) >> 6;
  const subpage = cdb.readUInt8(3);
  if (control === PAGE_CONTROL.SAVED) throw new CheckCondition(SENSE.SAVING_NOT_SUPPORTED);
  const pages = PAGES.filter((candidate) => code === ALL_PAGES || candidate.code === code);
  if (pages.length === 0 || (subpage !== 0 && subpage !== ALL_SUBPAGES))
    throw new CheckCondition(SENSE.INVALID_FIELD_IN_CDB);
  const body = Buffer.concat(pages.map((candidate) => valueOf(candidate, control, state)));
  const disablesDescriptor = (flags & 0x08) !== 0;
  const longLba = long && (flags & 0x10) !== 0;
  const descriptor = disablesDescriptor ? Buffer.alloc(0) : blockDescriptor(geometry, longLba);
  // WP, DPOFUA
  const deviceSpecific = (state.writeProtected ? 0x80 : 0) | 0x10;
  const header = Buffer.alloc(long ? 8 : 4);
  const length = header.length + descriptor.length + body.length;
  if (long) {
    header.writeUInt16BE(length - 2, 0);
    header.writeUInt8(deviceSpecific, 3);
    header.writeUInt8(longLba ? 1 : 0, 4);
    header.writeUInt16BE(descriptor.length, 6);
  } else {
    header.writeUInt8(length - 1, 0);
    header.writeUInt8(deviceSpecific, 2);
    header.writeUInt8(descriptor.length, 3);
  }
  return Buffer.concat([header, descriptor, body]);
}

function valueOf(modePage: ModePage, control: number, state: ModeState): Buffer {
  switch (control) {
    case PAGE_CONTROL.CHANGEABLE: {
      const bytes = Buffer.from(modePage.changeable);
      modePage.current(state).copy(bytes, 0, 0, 2);
      return bytes;
    }
    case PAGE_CONTROL.DEFAULT:
      return modePage.current(MODE_DEFAULTS);
    default:
      return modePage.current(state);
  }
}

function blockDescriptor(geometry: Geometry, long: boolean): Buffer {
  const blocks = blockCount(geometry);
  const bytes = Buffer.alloc(long ? 16 : 8);
  if (long) {
    bytes.writeBigUInt64BE(blocks, 0);
    bytes.writeUInt32BE(geometry.logicalBlockSize, 12);
  } else {
    bytes.writeUInt32BE(blocks > 0xffff_ffffn ? 0xffff_ffff : Number(blocks), 0);
    bytes.writeUIntBE(geometry.logicalBlockSize, 5, 3);
  }
  return bytes;
}

/** @param dataOut the parameter list, already cut to the CDB's length
 * @returns the state asked for; nothing is changed when any part is wrong
 * @throws {CheckCondition} */
export function modeSelect(
  cdb: Buffer,
  long: boolean,
  dataOut: Buffer,
  state: ModeState,
  geometry: Geometry,
): ModeState {
  const flags = cdb.readUInt8(1);
  // PF has to be set: there are no vendor-specific pages. SP: nothing can be saved.
  if ((flags & 0x10) === 0 || (flags & 0x01) !== 0) throw new CheckCondition(SENSE.INVALID_FIELD_IN_CDB);
  if (dataOut.length === 0) return state;
  const tooShort = new CheckCondition(SENSE.PARAMETER_LIST_LENGTH);
  const headerLength = long ? 8 : 4;
  if (dataOut.length < headerLength) throw tooShort;
  const longLba = long && (dataOut.readUInt8(4) & 1) !== 0;
  const mediumType = dataOut.readUInt8(long ? 2 : 1);
  if (mediumType !== 0) throw new CheckCondition(SENSE.INVALID_FIELD_IN_PARAMETERS);
  const descriptorLength = long ? dataOut.readUInt16BE(6) : dataOut.readUInt8(3);
  if (dataOut.length < headerLength + descriptorLength) throw tooShort;
  checkDescriptor(dataOut.subarray(headerLength, headerLength + descriptorLength), longLba, geometry);
  let selected = state;
  let rest = dataOut.subarray(headerLength + descriptorLength);
  while (rest.length > 0) {
    if (rest.length < 2) throw tooShort;
    const length = rest.readUInt8(1) + 2;
    const modePage = PAGES.find(({ code }) => code === (rest.readUInt8(0) & 0x7f));
    // PS (bit 7) is reserved here, and SPF (bit 6) would name a subpage: neither finds a page.
    if (modePage?.changeable.length !== length) throw new CheckCondition(SENSE.INVALID_FIELD_IN_PARAMETERS);
    if (rest.length < length) throw tooShort;
    selected = selectPage(modePage, rest.subarray(0, length), selected);
    rest = rest.subarray(length);
  }
  return selected;
}

function selectPage(modePage: ModePage, wanted: Buffer, state: ModeState): ModeState {
  const current = modePage.current(state);
  for (let i = 2; i < wanted.length; ++i) {
    const differs = wanted.readUInt8(i) ^ current.readUInt8(i);
    if ((differs & ~modePage.changeable.readUInt8(i)) !== 0)
      throw new CheckCondition(SENSE.INVALID_FIELD_IN_PARAMETERS);
  }
  return modePage.code === 0x0a ? { writeProtected: (wanted.readUInt8(4) & SWP) !== 0 } : state;
}

/** A block descriptor may repeat what is so, or (0 or all ones blocks) leave the number to us. */
function checkDescriptor(descriptor: Buffer, long: boolean, geometry: Geometry): void {
  if (descriptor.length === 0) return;
  const present = blockDescriptor(geometry, long);
  const invalid = new CheckCondition(SENSE.INVALID_FIELD_IN_PARAMETERS);
  if (descriptor.length !== present.length) throw invalid;
  const countLength = long ? 8 : 4;
  if (!descriptor.subarray(countLength).equals(present.subarray(countLength))) throw invalid;
  const count = descriptor.subarray(0, countLength);
  const leaves = count.every((byte) => byte === 0) || count.every((byte) => byte === 0xff);
  if (!leaves && !count.equals(present.subarray(0, countLength))) throw invalid;
}
