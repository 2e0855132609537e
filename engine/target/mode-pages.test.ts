import t from "tap";
import type { Geometry } from "./geometry.js";
import { MODE_DEFAULTS, modeSelect, modeSense, type ModeState } from "./mode-pages.js";
import { CheckCondition } from "./sense.js";
import { cdbOf } from "./testing/pdus.js";

const GEOMETRY: Geometry = { logicalBlockSize: 512, size: 2 ** 30 };
const PROTECTED: ModeState = { writeProtected: true };

function sense6(hex: string, state = MODE_DEFAULTS): Buffer {
  return modeSense(cdbOf(hex), false, state, GEOMETRY);
}

function asc(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof CheckCondition) return error.sense.asc.toString(16);
    throw error;
  }
  return "good";
}

t.test("all pages, with a block descriptor and without", async (t) => {
  const data = sense6("1a 00 3f 00 ff");
  t.equal(data.readUInt8(0), data.length - 1);
  t.equal(data.readUInt8(2), 0x10, "DPOFUA, not protected");
  t.equal(data.readUInt8(3), 8);
  t.equal(data.readUInt32BE(4), 2 ** 21);
  t.equal(data.readUIntBE(9, 3), 512);
  const codes: number[] = [];
  for (let at = 12; at < data.length; at += 2 + data.readUInt8(at + 1)) codes.push(data.readUInt8(at));
  t.same(codes, [0x01, 0x08, 0x0a, 0x1c]);
  t.equal(sense6("1a 08 3f 00 ff").length, data.length - 8, "DBD");
  t.same(sense6("1a 00 3f ff ff"), data, "there are no subpages");
});

t.test("the write cache is on, and software write protection is all that can change", async (t) => {
  t.equal(sense6("1a 08 08").readUInt8(4 + 2) & 0x04, 0x04, "WCE");
  t.equal(sense6("1a 08 48").subarray(6).every((byte) => byte === 0), true, "nothing of it is changeable"); // prettier-ignore
  t.same([...sense6("1a 08 4a").subarray(4)], [0x0a, 0x0a, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0]);
  const current = sense6("1a 08 0a", PROTECTED);
  t.equal(current.readUInt8(2) & 0x80, 0x80, "WP");
  t.equal(current.readUInt8(4 + 4), 8);
  t.equal(sense6("1a 08 8a", PROTECTED).readUInt8(4 + 4), 0, "the default");
});

t.test("MODE SENSE(10) has the longer header and, when asked, the longer block descriptor", async (t) => {
  const data = modeSense(cdbOf("5a 10 0a"), true, MODE_DEFAULTS, GEOMETRY);
  t.equal(data.readUInt16BE(0), data.length - 2);
  t.equal(data.readUInt8(4), 1, "LONGLBA");
  t.equal(data.readUInt16BE(6), 16);
  t.equal(data.readBigUInt64BE(8), 2n ** 21n);
  t.equal(data.readUInt32BE(20), 512);
});

t.test("what is not there is refused", async (t) => {
  t.equal(asc(() => sense6("1a 00 ca")), "39", "saved values"); // prettier-ignore
  t.equal(asc(() => sense6("1a 00 1a")), "24", "a page that is not there"); // prettier-ignore
  t.equal(asc(() => sense6("1a 00 0a 01")), "24", "a subpage that is not there"); // prettier-ignore
});

const CONTROL_ON = [0x0a, 0x0a, 0x02, 0x10, 0x08, 0, 0, 0, 0, 0, 0, 0];

function select6(list: readonly number[], flags = "10", state = MODE_DEFAULTS): ModeState {
  return modeSelect(cdbOf(`15 ${flags} 00 00 ff`), false, Buffer.from(list), state, GEOMETRY);
}

t.test("MODE SELECT turns write protection on and off", async (t) => {
  t.same(select6([0, 0, 0, 0, ...CONTROL_ON]), PROTECTED);
  const off = CONTROL_ON.with(4, 0);
  t.same(select6([0, 0, 0, 0, ...off], "10", PROTECTED), MODE_DEFAULTS);
  t.same(select6([], "10", PROTECTED), PROTECTED, "an empty list changes nothing");
  const returned = [...sense6("1a 00 3f", PROTECTED)].with(0, 0);
  t.same(select6(returned, "10", PROTECTED), PROTECTED, "what MODE SENSE said is accepted back");
  const long = [...modeSense(cdbOf("5a 10 3f"), true, MODE_DEFAULTS, GEOMETRY)];
  t.same(modeSelect(cdbOf("55 10"), true, Buffer.from(long), MODE_DEFAULTS, GEOMETRY), MODE_DEFAULTS);
});

t.test("MODE SELECT refuses a list with anything wrong in it", async (t) => {
  const caching = [...sense6("1a 08 08").subarray(4)];
  const descriptor = [0, 0x20, 0, 0, 0, 0, 2, 0];
  const rows: [what: string, code: string, list: readonly number[], flags?: string][] = [
    ["no PF", "24", [0, 0, 0, 0, ...CONTROL_ON], "00"],
    ["SP", "24", [0, 0, 0, 0, ...CONTROL_ON], "11"],
    ["half a header", "1a", [0, 0]],
    ["half a page", "1a", [0, 0, 0, 0, ...CONTROL_ON.slice(0, 6)]],
    ["half a descriptor", "1a", [0, 0, 0, 8, 0, 0]],
    ["a page that is not there", "26", [0, 0, 0, 0, 0x02, 0x0e, ...Array<number>(14).fill(0)]],
    ["a wrong page length", "26", [0, 0, 0, 0, 0x0a, 0x0b, ...Array<number>(11).fill(0)]],
    ["WCE off", "26", [0, 0, 0, 0, ...caching.with(2, 0)]],
    ["D_SENSE on", "26", [0, 0, 0, 0, ...CONTROL_ON.with(2, 0x06)]],
    ["a medium type", "26", [0, 1, 0, 0, ...CONTROL_ON]],
    ["another block size", "26", [0, 0, 0, 8, ...descriptor.with(6, 4), ...CONTROL_ON]],
    ["another number of blocks", "26", [0, 0, 0, 8, ...descriptor.with(1, 0x10), ...CONTROL_ON]],
    ["a good page, then a bad one", "26", [0, 0, 0, 0, ...CONTROL_ON, ...caching.with(2, 0)]],
  ];
  for (const [what, code, list, flags] of rows) t.equal(asc(() => select6(list, flags)), code, what); // prettier-ignore
  t.same(
    select6([0, 0, 0, 8, ...descriptor, ...CONTROL_ON]),
    PROTECTED,
    "a descriptor that repeats what is so",
  );
});
