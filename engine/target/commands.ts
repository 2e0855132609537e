/** What each command that the addon does not execute itself does; one handler per row of `command-table.ts`. */
import { PERIPHERAL, standardInquiry } from "./inquiry.js";
import { readCapacity10, readCapacity16 } from "./capacity.js";
import { encodeLbaStatus, isInside, lbaRuns, lbaStatusRange } from "./lba-status.js";
import { releaseUnit, reserveUnit, type LegacyOutcome } from "./legacy-reserve.js";
import type { LogicalUnit, Nexus } from "./logical-unit.js";
import { modeSelect, modeSense } from "./mode-pages.js";
import { reportLuns, reportSupportedOpcodes, reportTaskManagementFunctions } from "./report.js";
import { decodeReserveOut, readFullStatus, readKeys, readReservation, reportCapabilities } from "./reservation-commands.js"; // prettier-ignore
import type { ReservationState } from "./reservations.js";
import { CheckCondition, encodeDescriptorSense, encodeFixedSense, ReservationConflict, SENSE, type Sense } from "./sense.js"; // prettier-ignore
import { vpdPage } from "./vpd.js";

export interface CommandContext {
  unit: LogicalUnit;
  nexus: Nexus;
  /** the one addressed, which need not be the disk */
  lun: number;
  cdb: Buffer;
  dataOut: Buffer | null;
}

/** @returns data-in, at most the CDB's allocation length; null when the command has none
 * @throws {CheckCondition | ReservationConflict} */
export type Handler = (context: CommandContext) => Buffer | null | Promise<Buffer | null>;

const INVALID_FIELD = (): CheckCondition => new CheckCondition(SENSE.INVALID_FIELD_IN_CDB);

function inquiry({ unit, lun, cdb }: CommandContext): Buffer {
  const evpd = (cdb.readUInt8(1) & 0x01) !== 0;
  const pageCode = cdb.readUInt8(2);
  const allocation = cdb.readUInt16BE(3);
  // CMDDT is obsolete and refused, as is a page code without EVPD.
  if ((cdb.readUInt8(1) & 0xfe) !== 0 || (!evpd && pageCode !== 0)) throw INVALID_FIELD();
  const isDisk = lun === unit.lun;
  if (!evpd)
    return standardInquiry(isDisk ? PERIPHERAL.DISK : PERIPHERAL.NOT_SUPPORTED).subarray(0, allocation);
  const page = isDisk ? vpdPage(pageCode, { identity: unit.identity, geometry: unit.geometry }) : null;
  if (page === null) throw INVALID_FIELD();
  return page.subarray(0, allocation);
}

function requestSense({ unit, nexus, lun, cdb }: CommandContext): Buffer {
  const descriptor = (cdb.readUInt8(1) & 0x01) !== 0;
  const sense: Sense =
    lun === unit.lun ? (unit.takeAttention(nexus) ?? SENSE.NO_SENSE) : SENSE.LOGICAL_UNIT_NOT_SUPPORTED;
  const bytes = descriptor ? encodeDescriptorSense(sense) : encodeFixedSense(sense);
  return bytes.subarray(0, cdb.readUInt8(4));
}

/** The medium cannot be removed (LOEJ is refused) and has no power conditions; a stop leaves nothing unwritten. */
async function startStopUnit({ unit, nexus, cdb }: CommandContext): Promise<null> {
  const flags = cdb.readUInt8(4);
  const powerCondition = flags >> 4;
  const start = (flags & 0x01) !== 0;
  if (powerCondition !== 0 || !start) unit.requireAccess("write", nexus);
  if ((flags & 0x02) !== 0) throw INVALID_FIELD();
  const noFlush = (flags & 0x04) !== 0;
  if (!start && powerCondition === 0 && !noFlush) await unit.effects.flush();
  return null;
}

function preventAllow({ unit, nexus, cdb }: CommandContext): null {
  if ((cdb.readUInt8(4) & 0x03) !== 0) unit.requireAccess("write", nexus);
  return null;
}

async function getLbaStatus({ unit, cdb }: CommandContext): Promise<Buffer> {
  const lba = cdb.readBigUInt64BE(2);
  const { geometry } = unit;
  if (!isInside(lba, geometry)) throw new CheckCondition(SENSE.LBA_OUT_OF_RANGE);
  const range = lbaStatusRange(lba, geometry);
  const extents = await unit.effects.extents(range.offset, range.length);
  return encodeLbaStatus(lbaRuns(extents, range, geometry)).subarray(0, cdb.readUInt32BE(10));
}

function modeSelectOf(long: boolean): Handler {
  return ({ unit, nexus, cdb, dataOut }) => {
    const length = long ? cdb.readUInt16BE(7) : cdb.readUInt8(4);
    const list = dataOut ?? Buffer.alloc(0);
    if (list.length < length) throw new CheckCondition(SENSE.PARAMETER_LIST_LENGTH);
    unit.setMode(modeSelect(cdb, long, list.subarray(0, length), unit.mode, unit.geometry), nexus.id);
    return null;
  };
}

function modeSenseOf(long: boolean): Handler {
  return ({ unit, cdb }) =>
    modeSense(cdb, long, unit.mode, unit.geometry).subarray(0, long ? cdb.readUInt16BE(7) : cdb.readUInt8(4));
}

function reserveIn(read: (state: ReservationState) => Buffer): Handler {
  return ({ unit, cdb }) => read(unit.reservations).subarray(0, cdb.readUInt16BE(7));
}

async function reserveOut({ unit, nexus, cdb, dataOut }: CommandContext): Promise<null> {
  await unit.reserveOut(decodeReserveOut(nexus.port, cdb, dataOut ?? Buffer.alloc(0)));
  return null;
}

function legacyOf(decide: typeof reserveUnit): Handler {
  return ({ unit, nexus, cdb }) => {
    // Third-party reservations and extents went with SPC-2.
    if ((cdb.readUInt8(1) & 0x1f) !== 0) throw INVALID_FIELD();
    const outcome: LegacyOutcome = decide(unit.legacyHolder, nexus.port, unit.reservations);
    if (outcome.type === "conflict") throw new ReservationConflict("reserved by another initiator");
    if (outcome.type === "holder") unit.setLegacyHolder(outcome.port);
    return null;
  };
}

/** An empty defect list in the format asked for. */
function readDefectData(long: boolean): Handler {
  return ({ cdb }) => {
    const asked = cdb.readUInt8(long ? 1 : 2) & 0x1f;
    const header = Buffer.alloc(long ? 8 : 4);
    header.writeUInt8(asked, 1);
    return header.subarray(0, long ? cdb.readUInt32BE(6) : cdb.readUInt16BE(7));
  };
}

/** The default self-test: the connection works, or the command would not have come. */
function sendDiagnostic({ cdb }: CommandContext): null {
  const selfTestCode = cdb.readUInt8(1) >> 5;
  if (selfTestCode !== 0 || cdb.readUInt16BE(3) !== 0) throw INVALID_FIELD();
  return null;
}

/** The page that lists the pages, itself alone. */
function receiveDiagnostic({ cdb }: CommandContext): Buffer {
  if ((cdb.readUInt8(1) & 0x01) !== 0 && cdb.readUInt8(2) !== 0) throw INVALID_FIELD();
  return Buffer.of(0, 0, 0, 1, 0).subarray(0, cdb.readUInt16BE(3));
}

export const HANDLERS: Readonly<Record<string, Handler>> = {
  "TEST UNIT READY": () => null,
  "REQUEST SENSE": requestSense,
  INQUIRY: inquiry,
  "MODE SELECT(6)": modeSelectOf(false),
  "MODE SELECT(10)": modeSelectOf(true),
  "MODE SENSE(6)": modeSenseOf(false),
  "MODE SENSE(10)": modeSenseOf(true),
  "RESERVE(6)": legacyOf(reserveUnit),
  "RESERVE(10)": legacyOf(reserveUnit),
  "RELEASE(6)": legacyOf(releaseUnit),
  "RELEASE(10)": legacyOf(releaseUnit),
  "START STOP UNIT": startStopUnit,
  "PREVENT ALLOW MEDIUM REMOVAL": preventAllow,
  "SEND DIAGNOSTIC": sendDiagnostic,
  "RECEIVE DIAGNOSTIC RESULTS": receiveDiagnostic,
  "READ CAPACITY(10)": ({ unit }) => readCapacity10(unit.geometry),
  "READ CAPACITY(16)": ({ unit, cdb }) => readCapacity16(unit.geometry).subarray(0, cdb.readUInt32BE(10)),
  "READ DEFECT DATA(10)": readDefectData(false),
  "READ DEFECT DATA(12)": readDefectData(true),
  "READ KEYS": reserveIn(readKeys),
  "READ RESERVATION": reserveIn(readReservation),
  "REPORT CAPABILITIES": reserveIn(reportCapabilities),
  "READ FULL STATUS": reserveIn(readFullStatus),
  REGISTER: reserveOut,
  RESERVE: reserveOut,
  RELEASE: reserveOut,
  CLEAR: reserveOut,
  PREEMPT: reserveOut,
  "PREEMPT AND ABORT": reserveOut,
  "REGISTER AND IGNORE EXISTING KEY": reserveOut,
  "REGISTER AND MOVE": reserveOut,
  "GET LBA STATUS": getLbaStatus,
  "REPORT LUNS": ({ unit, cdb }) => reportLuns(cdb, [unit.lun]).subarray(0, cdb.readUInt32BE(6)),
  "REPORT SUPPORTED OPERATION CODES": ({ cdb }) =>
    reportSupportedOpcodes(cdb).subarray(0, cdb.readUInt32BE(6)),
  "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS": ({ cdb }) =>
    reportTaskManagementFunctions(cdb).subarray(0, cdb.readUInt32BE(6)),
};
