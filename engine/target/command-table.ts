/**
 * Every command of the disk as one row: what its CDB may hold, and what reservations (SPC-5, SBC-4, "commands that are
 * allowed in the presence of various reservations") and write protection make of it. REPORT SUPPORTED OPERATION CODES
 * tells the table; `commands.ts` has a handler for each row that the addon does not execute itself.
 */

/** Under a persistent reservation: `free` is always allowed, `read` and `write` need that access, `own` decides itself. */
export type ReservationRule = "free" | "read" | "write" | "own";

export interface CommandRow {
  name: string;
  opcode: number;
  /** null: the operation code has none */
  serviceAction: number | null;
  /** CDB usage data: the operation code (and service action), then ones where a bit is looked at */
  usage: Buffer;
  rule: ReservationRule;
  /** allowed while another nexus holds the unit with RESERVE */
  passesReserve: boolean;
  /** executed by the addon */
  data: boolean;
  changesMedium: boolean;
}

type Flags = Partial<Pick<CommandRow, "passesReserve" | "data" | "changesMedium">>;

function row(name: string, usage: string, rule: ReservationRule, flags: Flags = {}): CommandRow {
  const bytes = Buffer.from(usage.replaceAll(" ", ""), "hex");
  const opcode = bytes.readUInt8(0);
  const serviceAction = WITH_SERVICE_ACTION.has(opcode) ? bytes.readUInt8(1) : null;
  return { name, opcode, serviceAction, usage: bytes, rule, passesReserve: false, data: false, changesMedium: false, ...flags }; // prettier-ignore
}

/** Operation codes whose second byte holds a service action. */
const WITH_SERVICE_ACTION: ReadonlySet<number> = new Set([0x5e, 0x5f, 0x9e, 0xa3]);

const PASSES = { passesReserve: true } as const;
const READS = { data: true } as const;
const WRITES = { data: true, changesMedium: true } as const;

export const COMMANDS: readonly CommandRow[] = [
  row("TEST UNIT READY", "00 00 00 00 00 00", "free"),
  row("REQUEST SENSE", "03 01 00 00 ff 00", "free", PASSES),
  row("READ(6)", "08 1f ff ff ff 00", "read", READS),
  row("WRITE(6)", "0a 1f ff ff ff 00", "write", WRITES),
  row("INQUIRY", "12 01 ff ff ff 00", "free", PASSES),
  row("MODE SELECT(6)", "15 11 00 00 ff 00", "write"),
  row("RESERVE(6)", "16 00 00 00 00 00", "own"),
  row("RELEASE(6)", "17 00 00 00 00 00", "own", PASSES),
  row("MODE SENSE(6)", "1a 08 ff ff ff 00", "free"),
  row("START STOP UNIT", "1b 01 00 00 f3 00", "own"),
  row("RECEIVE DIAGNOSTIC RESULTS", "1c 01 ff ff ff 00", "free"),
  row("SEND DIAGNOSTIC", "1d f4 00 ff ff 00", "write"),
  row("PREVENT ALLOW MEDIUM REMOVAL", "1e 00 00 00 03 00", "own"),
  row("READ CAPACITY(10)", "25 00 00 00 00 00 00 00 00 00", "free"),
  row("READ(10)", "28 18 ff ff ff ff 00 ff ff 00", "read", READS),
  row("WRITE(10)", "2a 18 ff ff ff ff 00 ff ff 00", "write", WRITES),
  row("WRITE AND VERIFY(10)", "2e 16 ff ff ff ff 00 ff ff 00", "write", WRITES),
  row("VERIFY(10)", "2f 16 ff ff ff ff 00 ff ff 00", "read", READS),
  row("PRE-FETCH(10)", "34 02 ff ff ff ff 00 ff ff 00", "read", READS),
  row("SYNCHRONIZE CACHE(10)", "35 02 ff ff ff ff 00 ff ff 00", "write", READS),
  row("READ DEFECT DATA(10)", "37 00 1f 00 00 00 00 ff ff 00", "free"),
  row("WRITE SAME(10)", "41 18 ff ff ff ff 00 ff ff 00", "write", WRITES),
  row("UNMAP", "42 01 00 00 00 00 00 ff ff 00", "write", WRITES),
  row("MODE SELECT(10)", "55 11 00 00 00 00 00 ff ff 00", "write"),
  row("RESERVE(10)", "56 00 00 00 00 00 00 ff ff 00", "own"),
  row("RELEASE(10)", "57 00 00 00 00 00 00 ff ff 00", "own", PASSES),
  row("MODE SENSE(10)", "5a 18 ff ff 00 00 00 ff ff 00", "free"),
  row("READ KEYS", "5e 00 00 00 00 00 00 ff ff 00", "free"),
  row("READ RESERVATION", "5e 01 00 00 00 00 00 ff ff 00", "free"),
  row("REPORT CAPABILITIES", "5e 02 00 00 00 00 00 ff ff 00", "free"),
  row("READ FULL STATUS", "5e 03 00 00 00 00 00 ff ff 00", "free"),
  row("REGISTER", "5f 00 00 00 00 ff ff ff ff 00", "own"),
  row("RESERVE", "5f 01 ff 00 00 ff ff ff ff 00", "own"),
  row("RELEASE", "5f 02 ff 00 00 ff ff ff ff 00", "own"),
  row("CLEAR", "5f 03 00 00 00 ff ff ff ff 00", "own"),
  row("PREEMPT", "5f 04 ff 00 00 ff ff ff ff 00", "own"),
  row("PREEMPT AND ABORT", "5f 05 ff 00 00 ff ff ff ff 00", "own"),
  row("REGISTER AND IGNORE EXISTING KEY", "5f 06 00 00 00 ff ff ff ff 00", "own"),
  row("REGISTER AND MOVE", "5f 07 00 00 00 ff ff ff ff 00", "own"),
  row("READ(16)", "88 18 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", "read", READS),
  row("COMPARE AND WRITE", "89 18 ff ff ff ff ff ff ff ff 00 00 00 ff 00 00", "write", WRITES),
  row("WRITE(16)", "8a 18 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", "write", WRITES),
  row("ORWRITE(16)", "8b 18 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", "write", WRITES),
  row("WRITE AND VERIFY(16)", "8e 16 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", "write", WRITES),
  row("VERIFY(16)", "8f 16 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", "read", READS),
  row("PRE-FETCH(16)", "90 02 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", "read", READS),
  row("SYNCHRONIZE CACHE(16)", "91 02 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", "write", READS),
  row("WRITE SAME(16)", "93 19 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", "write", WRITES),
  row("READ CAPACITY(16)", "9e 10 00 00 00 00 00 00 00 00 ff ff ff ff 00 00", "free"),
  row("GET LBA STATUS", "9e 12 ff ff ff ff ff ff ff ff ff ff ff ff 00 00", "read"),
  row("REPORT LUNS", "a0 00 ff 00 00 00 ff ff ff ff 00 00", "free", PASSES),
  row("REPORT SUPPORTED OPERATION CODES", "a3 0c 87 ff ff ff ff ff ff ff 00 00", "free"),
  row("REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", "a3 0d 80 00 00 00 ff ff ff ff 00 00", "free"),
  row("READ(12)", "a8 18 ff ff ff ff ff ff ff ff 00 00", "read", READS),
  row("WRITE(12)", "aa 18 ff ff ff ff ff ff ff ff 00 00", "write", WRITES),
  row("WRITE AND VERIFY(12)", "ae 16 ff ff ff ff ff ff ff ff 00 00", "write", WRITES),
  row("VERIFY(12)", "af 16 ff ff ff ff ff ff ff ff 00 00", "read", READS),
  row("READ DEFECT DATA(12)", "b7 1f 00 00 00 00 ff ff ff ff 00 00", "free"),
];

const BY_CODE = new Map(COMMANDS.map((command) => [keyOf(command.opcode, command.serviceAction), command]));
const OPCODES: ReadonlySet<number> = new Set(COMMANDS.map(({ opcode }) => opcode));

function keyOf(opcode: number, serviceAction: number | null): number {
  return opcode * 256 + (serviceAction ?? 0);
}

export function hasServiceActions(opcode: number): boolean {
  return WITH_SERVICE_ACTION.has(opcode);
}

/** `knownOpcode` tells an unknown service action from an unknown operation code. */
export type Found = { row: CommandRow } | { row: null; knownOpcode: boolean };

export function findCommand(opcode: number, serviceAction: number): Found {
  const found = BY_CODE.get(keyOf(opcode, hasServiceActions(opcode) ? serviceAction : null));
  return found === undefined ? { row: null, knownOpcode: OPCODES.has(opcode) } : { row: found };
}
