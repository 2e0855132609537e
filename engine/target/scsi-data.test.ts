import { readFileSync } from "node:fs";
import t from "tap";
import { decodeLun, encodeLun } from "./bhs.js";
import { readCapacity10, readCapacity16 } from "./capacity.js";
import { COMMANDS } from "./command-table.js";
import { HANDLERS } from "./commands.js";
import { COMMAND_LIMITS, type Geometry } from "./geometry.js";
import { identityOf } from "./identity.js";
import { PERIPHERAL, standardInquiry } from "./inquiry.js";
import { encodeLbaStatus, lbaRuns, lbaStatusRange } from "./lba-status.js";
import { LBA_STATUS_RANGE_BYTES } from "./limits.js";
import { reportLuns, reportSupportedOpcodes, reportTaskManagementFunctions } from "./report.js";
import { CheckCondition, encodeDescriptorSense, encodeFixedSense, SENSE } from "./sense.js";
import { cdbOf } from "./testing/pdus.js";
import { AttentionQueue } from "./unit-attention.js";
import { vpdPage } from "./vpd.js";

const GIB = 2 ** 30;
const SMALL: Geometry = { logicalBlockSize: 512, size: GIB };
const IQN = "iqn.2019-10.io.longhorn:vol";
const CONTEXT = { identity: identityOf(IQN, "vol"), geometry: SMALL };

t.test("standard INQUIRY says a disk of SPC-4 level with its standards", async (t) => {
  const data = standardInquiry(PERIPHERAL.DISK);
  t.equal(data.length, 96);
  t.equal(data.readUInt8(4), 91, "additional length");
  t.equal(data.readUInt8(2), 6);
  t.equal(data.readUInt8(3) & 0x0f, 2);
  t.equal(data.toString("latin1", 8, 36), "AUROCHS REPLICATED-DISK 0001");
  t.equal(data.readUInt16BE(58 + 2), 0x0960, "iSCSI");
  t.equal(standardInquiry(PERIPHERAL.NOT_SUPPORTED).readUInt8(0), 0x7f);
});

t.test("every VPD page is listed, has its own code and its own length", async (t) => {
  const list = vpdPage(0x00, CONTEXT);
  if (list === null) return t.fail("no page 00h");
  t.same([...list.subarray(4)], [0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2]);
  for (const code of list.subarray(4)) {
    const page = vpdPage(code, CONTEXT);
    t.equal(page?.readUInt8(1), code);
    t.equal(page?.readUInt16BE(2), (page?.length ?? 0) - 4);
  }
  t.equal(vpdPage(0xc0, CONTEXT), null);
});

t.test("the identity follows the volume, not the target or the run", async (t) => {
  t.same(identityOf("iqn.2000-01.a:b", "vol").naa, CONTEXT.identity.naa);
  t.not(identityOf(IQN, "vol2").serial, CONTEXT.identity.serial);
  t.equal(CONTEXT.identity.naa.readUInt8(0) >> 4, 3, "NAA locally assigned");
  t.match(vpdPage(0x80, CONTEXT)?.toString("latin1", 4), /^[0-9a-f]{32}$/);
});

t.test("device identification holds well-formed designators", async (t) => {
  const page = vpdPage(0x83, CONTEXT) ?? Buffer.alloc(4);
  const found: string[] = [];
  for (let at = 4; at < page.length; at += 4 + page.readUInt8(at + 3)) {
    const association = (page.readUInt8(at + 1) >> 4) & 3;
    const type = page.readUInt8(at + 1) & 0x0f;
    const value = page.toString("latin1", at + 4, at + 4 + page.readUInt8(at + 3));
    found.push(`${association}.${type}`);
    if (association > 0) t.equal(page.readUInt8(at) >> 4, 5, "iSCSI");
    if (type === 8) {
      t.equal(value.length % 4, 0);
      t.equal(value.replace(/\0+$/, ""), association === 1 ? `${IQN},t,0x0001` : IQN);
      t.ok(value.endsWith("\0"));
    }
  }
  t.same(found, ["0.3", "0.1", "1.4", "1.5", "1.8", "2.8"]);
});

t.test("block limits and provisioning, in blocks of either size", async (t) => {
  for (const [logicalBlockSize, granularity] of [[512, 8], [4096, 1]] as const) {
    const page = vpdPage(0xb0, { ...CONTEXT, geometry: { logicalBlockSize, size: GIB } }) ?? Buffer.alloc(64);
    t.equal(page.length, 64);
    t.equal(page.readUInt16BE(6), granularity);
    t.equal(page.readUInt32BE(28), granularity);
    t.equal(page.readUInt32BE(32), 0x8000_0000);
    t.equal(page.readUInt32BE(8) * logicalBlockSize, 16 * 2 ** 20);
    t.ok(page.readUInt32BE(20) <= 2 ** 20, "no more blocks per UNMAP than initiators think sane");
  } // prettier-ignore
  t.same([...(vpdPage(0xb2, CONTEXT)?.subarray(4) ?? [])], [0, 0xe4, 2, 0]);
  t.equal(vpdPage(0xb1, CONTEXT)?.readUInt16BE(4), 1);
});

t.test("READ CAPACITY tells the last block, and when ten bytes cannot", async (t) => {
  t.same([...readCapacity10(SMALL)], [0, 0x1f, 0xff, 0xff, 0, 0, 2, 0]);
  const huge: Geometry = { logicalBlockSize: 512, size: 4 * 2 ** 40 };
  t.equal(readCapacity10(huge).readUInt32BE(0), 0xffff_ffff);
  const long = readCapacity16(huge);
  t.equal(long.readBigUInt64BE(0), 2n ** 33n - 1n);
  t.equal(long.readUInt8(13), 3);
  t.equal(long.readUInt16BE(14), 0xc000);
  t.equal(readCapacity16({ logicalBlockSize: 4096, size: GIB }).readUInt8(13), 0);
});

t.test("LBA status covers the range without gaps, partly allocated blocks being mapped", async (t) => {
  const range = { offset: 4096, length: 16384 };
  t.same(lbaRuns([0, 8192, 12288, 100], range, SMALL), [
    { lba: 8, blocks: 8, status: 0 },
    { lba: 16, blocks: 8, status: 1 },
    { lba: 24, blocks: 1, status: 0 },
    { lba: 25, blocks: 15, status: 1 },
  ]);
  t.same(lbaRuns([], range, SMALL), [{ lba: 8, blocks: 32, status: 1 }]);
  t.same(lbaRuns([4096, 4096, 8192, 90000], range, SMALL), [{ lba: 8, blocks: 32, status: 0 }]);
  t.same(lbaStatusRange(2n, SMALL), { offset: 1024, length: GIB - 1024 });
  t.equal(lbaStatusRange(0n, { ...SMALL, size: 2 * GIB }).length, LBA_STATUS_RANGE_BYTES);
  const bytes = encodeLbaStatus([{ lba: 8, blocks: 8, status: 1 }]);
  t.equal(bytes.readUInt32BE(0), 20);
  t.equal(bytes.readBigUInt64BE(8), 8n);
  t.equal(bytes.readUInt8(20), 1);
});

t.test("REPORT LUNS by what is selected", async (t) => {
  t.equal(reportLuns(cdbOf("a0 00 00"), [1]).toString("hex"), "00000008000000000001000000000000");
  t.equal(reportLuns(cdbOf("a0 00 01"), [1]).length, 8);
  t.equal(reportLuns(cdbOf("a0 00 02"), [1]).length, 16);
  t.throws(() => reportLuns(cdbOf("a0 00 03"), [1]), CheckCondition);
});

t.test("LUNs in both single-level forms", async (t) => {
  for (const lun of [0, 1, 255, 256, 16383]) t.equal(decodeLun(encodeLun(lun)), lun);
  t.equal(decodeLun(Buffer.from("4001000000000000", "hex")), 1, "flat");
  t.equal(decodeLun(Buffer.from("0101000000000000", "hex")), null, "another bus");
  t.equal(decodeLun(Buffer.from("0001000100000000", "hex")), null, "a second level");
  t.equal(decodeLun(Buffer.from("c101000000000000", "hex")), null, "well known");
});

t.test(
  "the table of commands: unique, of its group's length, and each either the addon's or handled",
  async (t) => {
    const keys = COMMANDS.map(({ opcode, serviceAction }) => `${opcode}.${serviceAction ?? ""}`);
    t.equal(new Set(keys).size, keys.length);
    const lengths = [6, 10, 10, 0, 16, 12, 0, 0];
    for (const { name, opcode, usage, data } of COMMANDS) {
      t.equal(usage.length, lengths[opcode >> 5], name);
      t.equal(name in HANDLERS, !data, name);
    }
    t.same(Object.keys(HANDLERS).sort(), COMMANDS.filter(({ data }) => !data).map(({ name }) => name).sort()); // prettier-ignore
  },
);

t.test("REPORT SUPPORTED OPERATION CODES: all of them, and one by one", async (t) => {
  const all = reportSupportedOpcodes(cdbOf("a3 0c 00"));
  t.equal(all.readUInt32BE(0), all.length - 4);
  t.equal(all.length, 4 + 8 * COMMANDS.length);
  const timed = reportSupportedOpcodes(cdbOf("a3 0c 80"));
  t.equal(timed.length, 4 + 20 * COMMANDS.length);
  for (const { name, opcode, serviceAction, usage } of COMMANDS) {
    const service = Buffer.alloc(2);
    service.writeUInt16BE(serviceAction ?? 0);
    const ask = (option: number): Buffer =>
      reportSupportedOpcodes(
        Buffer.concat([Buffer.of(0xa3, 0x0c, option, opcode), service, Buffer.alloc(10)]),
      );
    const right = serviceAction === null ? 1 : 2;
    t.equal(ask(right).readUInt8(1), 3, name);
    t.same(ask(right).subarray(4), usage, name);
    t.same(ask(3), ask(right), name);
    t.throws(() => ask(3 - right), CheckCondition, name);
    t.equal(ask(0x80 | right).length, 4 + usage.length + 12, name);
  }
  t.equal(reportSupportedOpcodes(cdbOf("a3 0c 01 48")).readUInt8(1), 1, "SANITIZE is not supported");
  t.equal(reportSupportedOpcodes(cdbOf("a3 0c 02 9e 00 1f")).readUInt8(1), 1, "an unknown service action");
  t.equal(
    reportSupportedOpcodes(cdbOf("a3 0c 03 28 00 01")).readUInt8(1),
    1,
    "READ(10) has no service action 1",
  );
  t.throws(() => reportSupportedOpcodes(cdbOf("a3 0c 04")), CheckCondition);
  t.same([...reportTaskManagementFunctions(cdbOf("a3 0d"))], [0xda, 0, 0, 0]);
  t.equal(reportTaskManagementFunctions(cdbOf("a3 0d 80")).length, 16);
});

t.test("sense data in both formats", async (t) => {
  t.equal(
    encodeFixedSense(SENSE.LBA_OUT_OF_RANGE).toString("hex"),
    "70000500000000" + "0a" + "00000000" + "2100" + "00000000",
  );
  t.equal(encodeDescriptorSense(SENSE.WRITE_PROTECTED).toString("hex"), "7207270000000000");
});

t.test("unit attentions: in order, once each, and a reset swallows what was before", async (t) => {
  const queue = new AttentionQueue();
  queue.add("CAPACITY_CHANGED");
  queue.add("MODE_PARAMETERS_CHANGED");
  queue.add("CAPACITY_CHANGED");
  t.equal(queue.take()?.ascq, 0x09);
  t.equal(queue.take()?.ascq, 0x01);
  t.equal(queue.take(), null);
  queue.add("CAPACITY_CHANGED");
  queue.add("BUS_DEVICE_RESET");
  t.equal(queue.take()?.asc, 0x29);
  t.notOk(queue.pending);
});

t.test("the limits told are those that the addon enforces", async (t) => {
  const source = readFileSync(new URL("../../../native/src/scsi/limits.h", import.meta.url), "utf8");
  const constants = new Map<string, number>();
  for (const [, name = "", first = "", shift = "0"] of source.matchAll(
    /(k\w+) = (\w+?)(?:u|ull)?(?: << (\d+))?;/g,
  ))
    constants.set(name, constants.get(first) ?? Number(first) * 2 ** Number(shift));
  t.equal(constants.get("kTransferBytesMax"), COMMAND_LIMITS.transfer);
  t.equal(constants.get("kCompareAndWriteBlocksMax"), COMMAND_LIMITS.compareAndWriteBlocks);
  t.equal(constants.get("kUnmapBytesMax"), COMMAND_LIMITS.unmap);
  t.equal(constants.get("kUnmapDescriptorsMax"), COMMAND_LIMITS.unmapDescriptors);
  t.equal(constants.get("kWriteSameBytesMax"), COMMAND_LIMITS.writeSame);
});
