import fc from "fast-check";
import t from "tap";
import type { NexusAccess, TaskFilter } from "../../native/index.js";
import { COMMANDS } from "./command-table.js";
import { identityOf } from "./identity.js";
import { UNIT_STATE_BYTES_MAX } from "./limits.js";
import { LogicalUnit, type UnitOutcome } from "./logical-unit.js";
import { decodeReservations } from "./reservation-store.js";
import { NO_RESERVATIONS, type ReservationState } from "./reservations.js";
import { cdbOf } from "./testing/pdus.js";
import { decodeUnitState, encodeUnitState, stateAfterPowerOn, UnitStateError } from "./unit-state.js";

const LUN = 1;

/** A unit whose effects are recorded; two nexuses are logged in and have heard of the power on. */
class Bench {
  readonly access = new Map<number, NexusAccess>();
  readonly aborts: TaskFilter[] = [];
  readonly saved: ReservationState[] = [];
  readonly order: string[] = [];
  writeProtected = false;
  flushes = 0;
  persist: (state: Buffer) => Promise<void> = async (state) => {
    this.saved.push(decodeReservations(state));
  };
  readonly unit: LogicalUnit;

  constructor(state = stateAfterPowerOn(NO_RESERVATIONS)) {
    this.unit = new LogicalUnit(
      {
        lun: LUN,
        identity: identityOf("iqn.2019-10.io.longhorn:v", "v"),
        geometry: { logicalBlockSize: 512, size: 2 ** 20 },
        state,
      },
      {
        setAccess: (nexus, access) => this.access.set(nexus, access),
        setWriteProtected: (on) => (this.writeProtected = on),
        abort: async (filter) => {
          this.aborts.push(filter);
          this.order.push("abort");
          return 1;
        },
        extents: async () => [0, 4096],
        flush: async () => {
          this.flushes += 1;
        },
        persist: (state) => {
          this.order.push("persist");
          return this.persist(state);
        },
      },
    );
  }

  async login(nexus: number, port = `p${nexus}`): Promise<void> {
    this.unit.addNexus(nexus, port);
    await this.status(nexus, "00");
  }

  run(nexus: number, cdb: string, dataOut: Buffer | null = null, lun = LUN): Promise<UnitOutcome> {
    return this.unit.execute({ nexus, lun, cdb: cdbOf(cdb), dataOut });
  }

  /** `execute`, `good`, `conflict`, or key/asc/ascq */
  async status(nexus: number, cdb: string, dataOut: Buffer | null = null, lun = LUN): Promise<string> {
    const outcome = await this.run(nexus, cdb, dataOut, lun);
    if (outcome.type === "execute") return "execute";
    if (outcome.status === 0x18) return "conflict";
    if (outcome.status === 0) return "good";
    const sense = outcome.sense ?? Buffer.alloc(18);
    return [sense.readUInt8(2), sense.readUInt8(12), sense.readUInt8(13)]
      .map((byte) => byte.toString(16))
      .join("/");
  }

  async dataIn(nexus: number, cdb: string, lun = LUN): Promise<Buffer> {
    const outcome = await this.run(nexus, cdb, null, lun);
    return outcome.type === "done" ? (outcome.dataIn ?? Buffer.alloc(0)) : Buffer.alloc(0);
  }
}

async function bench(reservations = NO_RESERVATIONS): Promise<Bench> {
  const made = new Bench(stateAfterPowerOn(reservations));
  await made.login(1);
  await made.login(2);
  return made;
}

const READ10 = "28 00 00000000 00 0001 00";
const WRITE10 = "2a 00 00000000 00 0001 00";
const FREE: NexusAccess = { read: true, write: true, attention: false };

function parameters(key: number, actionKey: number, flags = 0): Buffer {
  const list = Buffer.alloc(24);
  list.writeBigUInt64BE(BigInt(key), 0);
  list.writeBigUInt64BE(BigInt(actionKey), 8);
  list.writeUInt8(flags, 20);
  return list;
}
const REGISTER = "5f 00 00 00 00 00000018 00";
const reserveAs = (type: number): string => `5f 01 0${type} 00 00 00000018 00`;

t.test("a new nexus hears of the power on first, a returning one of its loss", async (t) => {
  const made = new Bench();
  made.unit.addNexus(1, "p1");
  t.same(made.access.get(1), { ...FREE, attention: true });
  t.equal(await made.status(1, "12 00 00 00 60"), "good", "INQUIRY passes and leaves it pending");
  t.equal(await made.status(1, READ10), "6/29/0");
  t.same(made.access.get(1), FREE);
  t.equal(await made.status(1, READ10), "execute");
  made.unit.removeNexus(1);
  made.unit.addNexus(2, "p1");
  t.equal(await made.status(2, "00"), "6/29/7");
});

t.test("REQUEST SENSE tells the pending unit attention and clears it", async (t) => {
  const made = new Bench();
  made.unit.addNexus(1, "p1");
  const sense = await made.dataIn(1, "03 00 00 00 fc");
  t.equal(sense.readUInt8(2), 6);
  t.equal(sense.readUInt8(12), 0x29);
  t.equal((await made.dataIn(1, "03 00 00 00 fc")).readUInt8(2), 0);
  t.equal((await made.dataIn(1, "03 01 00 00 fc")).readUInt8(0), 0x72, "in descriptor format");
});

t.test("other logical units are not there, and say so", async (t) => {
  const made = await bench();
  t.equal(await made.status(1, "00", null, 0), "5/25/0");
  t.equal(await made.status(1, READ10, null, -1), "5/25/0");
  t.equal((await made.dataIn(1, "12 00 00 00 60", 0)).readUInt8(0), 0x7f);
  t.equal((await made.dataIn(1, "03 00 00 00 fc", 5)).readUInt8(12), 0x25);
  t.equal((await made.dataIn(1, "a0 00 00 00 00 00 0000 0100", 0)).readUInt16BE(8), 1);
});

t.test("unknown operation codes and service actions", async (t) => {
  const made = await bench();
  t.equal(await made.status(1, "48 01"), "5/20/0", "SANITIZE");
  t.equal(await made.status(1, "83"), "5/20/0", "EXTENDED COPY");
  t.equal(await made.status(1, "9e 1f"), "5/24/0");
  t.equal(await made.status(1, "5e 1f"), "5/24/0");
});

t.test("answers are cut to the allocation length", async (t) => {
  const made = await bench();
  t.equal((await made.dataIn(1, "12 00 00 0005")).length, 5);
  t.equal((await made.dataIn(1, "12 01 83 0000")).length, 0);
  t.equal((await made.dataIn(1, "9e 10 0000000000000000 0000000c")).length, 12);
});

t.test("INQUIRY refuses a page code without EVPD and a page that is not there", async (t) => {
  const made = await bench();
  t.equal(await made.status(1, "12 00 80 00ff"), "5/24/0");
  t.equal(await made.status(1, "12 01 c1 00ff"), "5/24/0");
});

t.test("write protection stops writes only, and others hear of the change", async (t) => {
  const made = await bench();
  const on = Buffer.from([0, 0, 0, 0, 0x0a, 0x0a, 0x02, 0x10, 0x08, 0, 0, 0, 0, 0, 0, 0]);
  t.equal(await made.status(1, "15 10 00 00 10", on), "good");
  t.ok(made.writeProtected);
  t.equal(await made.status(2, READ10), "6/2a/1");
  t.equal(await made.status(2, READ10), "execute");
  t.equal(await made.status(2, WRITE10), "7/27/0");
  t.equal(await made.status(1, WRITE10), "7/27/0");
  t.equal(await made.status(1, "35"), "execute", "SYNCHRONIZE CACHE changes nothing");
  made.unit.reset("BUS_DEVICE_RESET");
  t.notOk(made.writeProtected, "a reset brings the default back");
});

t.test("RESERVE keeps others out of nearly everything until RELEASE, logout or reset", async (t) => {
  const made = await bench();
  t.equal(await made.status(1, "16"), "good");
  t.equal(await made.status(1, "16"), "good", "again");
  t.same(made.access.get(2), { read: false, write: false, attention: false });
  for (const cdb of [READ10, WRITE10, "00", "1a 00 3f 00 ff", "25", "16", "5e 00", REGISTER])
    t.equal(await made.status(2, cdb), "conflict", cdb);
  for (const cdb of ["12 00 00 00 60", "03 00 00 00 12", "a0 00 00 00 00 00 00000100", "17"])
    t.equal(await made.status(2, cdb), "good", cdb);
  t.equal(await made.status(2, "16"), "conflict", "RELEASE by another did nothing");
  t.equal(await made.status(1, "17"), "good");
  t.equal(await made.status(2, "16"), "good");
  made.unit.removeNexus(2);
  t.equal(await made.status(1, READ10), "execute", "released by the logout");
  await made.status(1, "16");
  made.unit.reset("BUS_DEVICE_RESET");
  t.equal(made.unit.legacyHolder, null);
});

t.test("a persistent reservation is in force for commands of every class", async (t) => {
  const made = await bench();
  await made.status(1, REGISTER, parameters(0, 7));
  t.equal(await made.status(1, reserveAs(3), parameters(7, 0)), "good");
  t.same(made.access.get(2), { read: false, write: false, attention: false });
  for (const cdb of [READ10, WRITE10, "35", "9e 12", "15 10", "1b 00 00 00 00"])
    t.equal(await made.status(2, cdb), "conflict", cdb);
  for (const cdb of ["00", "25", "1a 00 3f 00 ff", "5e 00 00 00 00 00 00 00ff", "1b 00 00 00 01", "1e"])
    t.equal(await made.status(2, cdb), "good", cdb);
  t.equal(await made.status(2, "16"), "conflict", "RESERVE by a stranger");
  t.equal(await made.status(1, "16"), "good", "RESERVE by the holder does nothing");
  t.equal(made.unit.legacyHolder, null);
});

t.test("reservations are durable before they are in force or answered", async (t) => {
  const made = await bench();
  let release = (): void => undefined;
  made.persist = () => new Promise((resolve) => (release = resolve));
  const registered = made.status(1, REGISTER, parameters(0, 7, 0x01));
  const second = made.status(2, REGISTER, parameters(0, 8, 0x01));
  await new Promise(setImmediate);
  t.equal(made.unit.reservations.registrations.size, 0);
  t.equal(made.order.length, 1, "one at a time");
  release();
  t.equal(await registered, "good");
  t.equal(made.unit.reservations.registrations.size, 1);
  release();
  t.equal(await second, "good");
  t.equal(made.unit.reservations.registrations.size, 2);
});

t.test("a state that could not be kept does not come into force", async (t) => {
  const made = await bench();
  made.persist = async () => {
    throw new Error("no replica");
  };
  await t.rejects(made.run(1, REGISTER, parameters(0, 7, 0x01)), /no replica/);
  t.equal(made.unit.reservations, NO_RESERVATIONS);
  made.persist = async () => undefined;
  t.equal(await made.status(1, REGISTER, parameters(0, 7, 0x01)), "good", "the next one has its turn");
});

t.test("without APTPL nothing is kept, and turning it off forgets what was", async (t) => {
  const made = await bench();
  await made.status(1, REGISTER, parameters(0, 7));
  t.equal(made.saved.length, 0);
  await made.status(1, REGISTER, parameters(7, 7, 0x01));
  t.equal(made.saved.at(-1)?.registrations.get("p1"), 7n);
  await made.status(1, REGISTER, parameters(7, 7, 0x00));
  t.same(made.saved.at(-1), NO_RESERVATIONS);
});

t.test("PREEMPT AND ABORT aborts the victim's tasks and tells it", async (t) => {
  const made = await bench();
  await made.status(1, REGISTER, parameters(0, 7));
  await made.status(2, REGISTER, parameters(0, 8));
  await made.status(2, reserveAs(1), parameters(8, 0));
  t.equal(await made.status(1, "5f 05 01 00 00 00000018 00", parameters(7, 8)), "good");
  t.same(made.aborts, [{ nexus: 2 }]);
  t.same(made.access.get(2), { read: true, write: false, attention: true });
  t.equal(await made.status(2, WRITE10), "6/2a/5");
  t.equal(await made.status(2, WRITE10), "conflict");
});

t.test("PERSISTENT RESERVE IN tells keys, holder, capabilities and full status", async (t) => {
  const made = new Bench();
  const port = "iqn.1993-08.org.debian:01:abc,i,0x00023d000001";
  await made.login(1, port);
  await made.status(1, REGISTER, parameters(0, 7));
  await made.status(1, reserveAs(1), parameters(7, 0));
  const keys = await made.dataIn(1, "5e 00 00 00 00 00 00 00ff");
  t.equal(keys.toString("hex"), "0000000100000008" + "0000000000000007");
  const reservation = await made.dataIn(1, "5e 01 00 00 00 00 00 00ff");
  t.equal(reservation.toString("hex"), "0000000100000010" + "0000000000000007" + "0000000000010000");
  t.equal((await made.dataIn(1, "5e 02 00 00 00 00 00 00ff")).toString("hex"), "00081580ea010000");
  const full = await made.dataIn(1, "5e 03 00 00 00 00 00 00ff");
  t.equal(full.readUInt32BE(4), full.length - 8);
  t.equal(full.readBigUInt64BE(8), 7n);
  t.equal(full.readUInt8(8 + 12), 1, "holder");
  t.equal(full.readUInt8(8 + 24), 0x45);
  t.equal(full.toString("latin1", 8 + 28).replace(/\0+$/, ""), port);
});

t.test("PERSISTENT RESERVE OUT parameters are checked", async (t) => {
  const made = await bench();
  t.equal(await made.status(1, "5f 00 00 00 00 00000017 00", Buffer.alloc(23)), "5/1a/0");
  t.equal(await made.status(1, REGISTER, Buffer.alloc(10)), "5/1a/0", "less came than was said");
  t.equal(await made.status(1, REGISTER, parameters(0, 7, 0x08)), "5/26/0", "SPEC_I_PT");
  t.equal(await made.status(1, "5f 0a 00 00 00 00000018 00", parameters(0, 7)), "5/24/0");
  await made.status(1, REGISTER, parameters(0, 7));
  t.equal(await made.status(1, reserveAs(2), parameters(7, 0)), "5/24/0", "no such type");
  t.equal(await made.status(1, "5f 01 13 00 00 00000018 00", parameters(7, 0)), "5/24/0", "no such scope");
});

t.test("REGISTER AND MOVE finds the port by its TransportID", async (t) => {
  const made = new Bench();
  await made.login(1, "iqn.2000-01.x:a,i,0x000000000001");
  await made.login(2, "iqn.2000-01.x:b,i,0x000000000002");
  await made.status(1, REGISTER, parameters(0, 7));
  await made.status(1, reserveAs(3), parameters(7, 0));
  const name = Buffer.alloc(36);
  name.write("iqn.2000-01.x:b,i,0x000000000002");
  const list = Buffer.concat([parameters(7, 9), Buffer.of(0x45, 0, 0, 36), name]);
  list.writeUInt8(0x02, 17);
  list.writeUInt16BE(1, 18);
  list.writeUInt32BE(40, 20);
  t.equal(await made.status(1, "5f 07 00 00 00 00000040 00", list), "good");
  t.same(made.access.get(2), FREE);
  t.same(made.access.get(1), { read: false, write: false, attention: false });
});

t.test("GET LBA STATUS answers from the volume's extents", async (t) => {
  const made = await bench();
  const data = await made.dataIn(1, "9e 12 0000000000000000 00000100");
  t.equal(data.length, 8 + 32);
  t.equal(data.readUInt32BE(16), 8);
  t.equal(data.readUInt8(20), 0);
  t.equal(data.readUInt8(36), 1);
  t.equal(await made.status(1, "9e 12 0000000000000800 00000100"), "5/21/0");
});

t.test("START STOP UNIT flushes on a stop and refuses to eject", async (t) => {
  const made = await bench();
  t.equal(await made.status(1, "1b 00 00 00 01"), "good");
  t.equal(made.flushes, 0);
  t.equal(await made.status(1, "1b 00 00 00 00"), "good");
  t.equal(made.flushes, 1);
  t.equal(await made.status(1, "1b 00 00 00 02"), "5/24/0");
});

t.test("clearing the task set tells the others whose tasks went", async (t) => {
  const made = await bench();
  const before = { nexus: 1, cmdSn: 7 };
  await made.unit.clearTaskSet(before);
  t.same(made.aborts, [
    { nexus: 1, before },
    { nexus: 2, before },
  ]);
  t.equal(await made.status(1, "00"), "good");
  t.equal(await made.status(2, "00"), "6/2f/0");
});

t.test("a reset is told on every path, the sender's too; a new size as well", async (t) => {
  const made = await bench();
  made.unit.reset("BUS_DEVICE_RESET");
  t.equal(await made.status(1, "00"), "6/29/3");
  t.equal(await made.status(2, "00"), "6/29/3");
  made.unit.setSize(2 ** 21);
  t.equal(await made.status(1, "25"), "6/2a/9");
  t.equal((await made.dataIn(1, "25")).readUInt32BE(0), 4095);
});

t.test("no command, however odd, is anything but answered or executed", async () => {
  const made = await bench();
  const heads = COMMANDS.map(({ usage, serviceAction }) => usage.subarray(0, serviceAction === null ? 1 : 2));
  const cdb = fc
    .tuple(fc.constantFrom(...heads), fc.uint8Array({ minLength: 16, maxLength: 16 }))
    .map(([head, rest]) => Buffer.concat([head, rest]).subarray(0, 16));
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        cdb,
        fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
      ),
      fc.option(fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes))),
      fc.constantFrom(1, 2),
      fc.constantFrom(LUN, LUN, 0, -1),
      async (bytes, dataOut, nexus, lun) => {
        const outcome = await made.unit.execute({ nexus, lun, cdb: bytes, dataOut });
        return outcome.type === "execute" || [0, 2, 0x18].includes(outcome.status);
      },
    ),
    { numRuns: 5_000 },
  );
});

t.test(
  "a unit in another one's place knows reservations, mode, ports, and what they were not told",
  async (t) => {
    const before = new Bench();
    await before.login(1);
    await before.login(2);
    await before.status(1, REGISTER, parameters(0, 7));
    await before.status(1, reserveAs(3), parameters(7, 0));
    // p2 loses the session before it hears of the next two.
    before.unit.setSize(2 ** 21);
    before.unit.setMode({ writeProtected: true }, 1);
    const state = decodeUnitState(encodeUnitState(before.unit.state));

    const after = new Bench(state);
    t.equal(after.writeProtected, true);
    t.strictSame(after.unit.reservations, before.unit.reservations, "although APTPL is not set");
    after.unit.addNexus(5, "p2");
    const told = [await after.status(5, "00"), await after.status(5, "00"), await after.status(5, "00")];
    t.strictSame(told, ["6/29/7", "6/2a/9", "6/2a/1"]);
    t.equal(await after.status(5, "00"), "good");
    t.equal(await after.status(5, "28 00 00000000 00 0008 00"), "conflict");
    after.unit.addNexus(6, "p3");
    t.equal(await after.status(6, "00"), "6/29/0", "who is new hears of the power on");
  },
);

t.test("a unit's state that cannot be read is an error, whatever is wrong with it", (t) => {
  const good = JSON.parse(encodeUnitState(stateAfterPowerOn(NO_RESERVATIONS)).toString()) as object;
  const bad: unknown[] = [
    null,
    [],
    { ...good, version: 2 },
    { ...good, reservations: 5 },
    { ...good, reservations: "AAAA" },
    { ...good, mode: {} },
    { ...good, knownPorts: [1] },
    { ...good, attentions: {} },
    { ...good, attentions: [["p", ["NO_SUCH"]]] },
    { ...good, attentions: [[1, []]] },
  ];
  for (const json of bad)
    t.throws(() => decodeUnitState(Buffer.from(JSON.stringify(json))), Error, JSON.stringify(json));
  t.throws(() => decodeUnitState(Buffer.from("{")), UnitStateError);
  t.throws(() => decodeUnitState(Buffer.alloc(UNIT_STATE_BYTES_MAX + 1)), UnitStateError);
  t.end();
});
