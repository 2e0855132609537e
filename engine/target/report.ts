/** REPORT LUNS, REPORT SUPPORTED OPERATION CODES and ... TASK MANAGEMENT FUNCTIONS (SPC-5). */
import { encodeLun } from "./bhs.js";
import { COMMANDS, findCommand, hasServiceActions, type CommandRow } from "./command-table.js";
import { CheckCondition, SENSE } from "./sense.js";

/** @throws {CheckCondition} */
export function reportLuns(cdb: Buffer, luns: readonly number[]): Buffer {
  const select = cdb.readUInt8(2);
  if (select > 2) throw new CheckCondition(SENSE.INVALID_FIELD_IN_CDB);
  // 01h asks for well known logical units only, of which there are none.
  const body = Buffer.concat(select === 1 ? [] : luns.map(encodeLun));
  const header = Buffer.alloc(8);
  header.writeUInt32BE(body.length, 0);
  return Buffer.concat([header, body]);
}

/** Command timeouts descriptor: no nominal and no recommended time are told (0). */
const TIMEOUTS = Buffer.of(0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

const SUPPORT = { NOT_SUPPORTED: 1, SUPPORTED: 3 } as const;
const REPORTING = { ALL: 0, OPCODE: 1, SERVICE_ACTION: 2, EITHER: 3 } as const;

/** @throws {CheckCondition} */
export function reportSupportedOpcodes(cdb: Buffer): Buffer {
  const withTimeouts = (cdb.readUInt8(2) & 0x80) !== 0;
  const option = cdb.readUInt8(2) & 0x07;
  const opcode = cdb.readUInt8(3);
  const serviceAction = cdb.readUInt16BE(4);
  const invalid = new CheckCondition(SENSE.INVALID_FIELD_IN_CDB);
  switch (option) {
    case REPORTING.ALL: {
      const body = Buffer.concat(COMMANDS.map((command) => descriptor(command, withTimeouts)));
      const header = Buffer.alloc(4);
      header.writeUInt32BE(body.length, 0);
      return Buffer.concat([header, body]);
    }
    case REPORTING.OPCODE:
      if (hasServiceActions(opcode)) throw invalid;
      return oneCommand(findCommand(opcode, 0).row, withTimeouts);
    case REPORTING.SERVICE_ACTION: {
      const found =
        serviceAction > 0xff ? { row: null, knownOpcode: false } : findCommand(opcode, serviceAction);
      if (!hasServiceActions(opcode) && (found.row !== null || found.knownOpcode)) throw invalid;
      return oneCommand(found.row, withTimeouts);
    }
    case REPORTING.EITHER: {
      const unknown = hasServiceActions(opcode) ? serviceAction > 0xff : serviceAction !== 0;
      return oneCommand(unknown ? null : findCommand(opcode, serviceAction).row, withTimeouts);
    }
    default:
      throw invalid;
  }
}

function descriptor(command: CommandRow, withTimeouts: boolean): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt8(command.opcode, 0);
  bytes.writeUInt16BE(command.serviceAction ?? 0, 2);
  bytes.writeUInt8((withTimeouts ? 0x02 : 0) | (command.serviceAction === null ? 0 : 0x01), 5);
  bytes.writeUInt16BE(command.usage.length, 6);
  return withTimeouts ? Buffer.concat([bytes, TIMEOUTS]) : bytes;
}

function oneCommand(command: CommandRow | null, withTimeouts: boolean): Buffer {
  if (command === null) return Buffer.of(0, SUPPORT.NOT_SUPPORTED, 0, 0);
  const header = Buffer.of(0, (withTimeouts ? 0x80 : 0) | SUPPORT.SUPPORTED, 0, command.usage.length);
  return Buffer.concat([header, command.usage, ...(withTimeouts ? [TIMEOUTS] : [])]);
}

/** ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET, TARGET RESET */
export function reportTaskManagementFunctions(cdb: Buffer): Buffer {
  const extended = (cdb.readUInt8(2) & 0x80) !== 0;
  const functions = 0x80 | 0x40 | 0x10 | 0x08 | 0x02;
  // REPD: the extended format, whose timeouts are all 0, "not told"
  const bytes = Buffer.alloc(extended ? 16 : 4);
  bytes.writeUInt8(functions, 0);
  if (extended) bytes.writeUInt8(0x0c, 3);
  return bytes;
}
