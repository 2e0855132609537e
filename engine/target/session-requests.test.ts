import t from "tap";
import { encodeLogoutRequestMessage } from "./async-message.js";
import { formatTargetAddress, parseAddress, sendTargets, type DiscoveryOptions } from "./discovery.js";
import { answerLogout } from "./logout.js";
import { planTaskManagement } from "./task-management.js";
import { readText, request, textData } from "./testing/pdus.js";
import { TextExchange } from "./text-exchange.js";

const IQN = "iqn.2019-10.io.longhorn:vol";
const OPTIONS: DiscoveryOptions = {
  targetName: IQN,
  targetPortalGroupTag: 1,
  portals: [{ host: "0.0.0.0", port: 3260 }, { host: "fd00::7", port: 3261 }],
}; // prettier-ignore

t.test("addresses in the forms that the addon gives and initiators want", async (t) => {
  t.same(parseAddress("10.0.0.1:3260"), { host: "10.0.0.1", port: 3260 });
  t.same(parseAddress("[fe80::1]:3260"), { host: "fe80::1", port: 3260 });
  t.same(
    parseAddress("[::ffff:10.0.0.1]:3260"),
    { host: "10.0.0.1", port: 3260 },
    "an IPv4 peer of an IPv6 socket",
  );
  t.equal(parseAddress("nonsense"), null);
  t.equal(formatTargetAddress({ host: "fe80::1", port: 3260 }, 1), "[fe80::1]:3260,1");
});

t.test("SendTargets by what is asked and where", async (t) => {
  const whole = [["TargetName", IQN], ["TargetAddress", "10.0.0.1:3260,1"], ["TargetAddress", "[fd00::7]:3261,1"]]; // prettier-ignore
  const local = "10.0.0.1:3260";
  t.same(sendTargets(OPTIONS, "All", "discovery", local), whole);
  t.same(sendTargets(OPTIONS, IQN, "discovery", local), whole);
  t.same(sendTargets(OPTIONS, "", "normal", local), whole);
  t.same(sendTargets(OPTIONS, IQN, "normal", local), whole);
  t.same(sendTargets(OPTIONS, "iqn.2000-01.x:other", "discovery", local), []);
  t.equal(sendTargets(OPTIONS, "All", "normal", local), null);
  t.equal(sendTargets(OPTIONS, "", "discovery", local), null);
  t.same(sendTargets({ ...OPTIONS, portals: [] }, "All", "discovery", "[::1]:4000"), [
    ["TargetName", IQN],
    ["TargetAddress", "[::1]:4000,1"],
  ]);
});

const FINAL = 0x80;
const MORE = 0x40;
const NO_TAG = 0xffff_ffff;

t.test("a text request is answered, in one PDU or over several", async (t) => {
  const exchange = new TextExchange(OPTIONS, "discovery", "10.0.0.1:3260");
  const answer = exchange.answer(
    request(0x04, FINAL, { itt: 7, at20: NO_TAG }),
    textData({ SendTargets: "All", "X-a.b": "c" }),
  );
  t.equal(answer.bhs.readUInt8(0), 0x24);
  t.equal(answer.bhs.readUInt8(1), FINAL);
  t.equal(answer.bhs.readUInt32BE(16), 7);
  t.equal(answer.bhs.readUInt32BE(20), NO_TAG);
  t.match(readText(answer.data ?? Buffer.alloc(0)), { TargetName: IQN, "X-a.b": "NotUnderstood" });

  const data = textData({ SendTargets: "All" });
  const part = exchange.answer(request(0x04, MORE, { at20: NO_TAG }), data.subarray(0, 5));
  t.equal(part.bhs.readUInt8(1), 0, "not the last");
  t.equal(part.data?.length, 0);
  const tag = part.bhs.readUInt32BE(20);
  t.not(tag, NO_TAG);
  const rest = exchange.answer(request(0x04, FINAL, { at20: tag }), data.subarray(5));
  t.match(readText(rest.data ?? Buffer.alloc(0)), { TargetName: IQN });
});

t.test("operational keys are not negotiated after the login", async (t) => {
  const exchange = new TextExchange(OPTIONS, "normal", "10.0.0.1:3260");
  const answer = exchange.answer(
    request(0x04, FINAL, { at20: NO_TAG }),
    textData({ MaxBurstLength: "512", SendTargets: "All" }),
  );
  t.same(readText(answer.data ?? Buffer.alloc(0)), { MaxBurstLength: "Reject", SendTargets: "Reject" });
});

t.test("malformed text requests are rejected with their header", async (t) => {
  const exchange = new TextExchange(OPTIONS, "discovery", "10.0.0.1:3260");
  const rows: [what: string, flags: number, tag: number, data: Buffer, reason: number][] = [
    ["F and C", FINAL | MORE, NO_TAG, Buffer.alloc(0), 0x04],
    ["a tag that we never gave", FINAL, 99, Buffer.alloc(0), 0x09],
    ["no '='", FINAL, NO_TAG, Buffer.from("Send\0"), 0x04],
    ["an endless text", MORE, NO_TAG, Buffer.alloc(20_000, "A"), 0x04],
  ];
  for (const [what, flags, tag, data, reason] of rows) {
    const bhs = request(0x04, flags, { at20: tag });
    const answer = exchange.answer(bhs, data);
    t.equal(answer.bhs.readUInt8(0), 0x3f, what);
    t.equal(answer.bhs.readUInt8(2), reason, what);
    t.same(answer.data, bhs, what);
  }
});

t.test("logout by reason and connection", async (t) => {
  const session = { cid: 3, time2Wait: 2, time2Retain: 0 };
  const rows: [reason: number, cid: number, response: number, closes: boolean][] = [
    [0, 99, 0, true],
    [1, 3, 0, true],
    [1, 4, 1, false],
    [2, 3, 2, false],
    [9, 3, 2, false],
  ];
  for (const [reason, cid, response, closes] of rows) {
    const answer = answerLogout(request(0x06, 0x80 | reason, { itt: 5, at20: cid << 16 }), session);
    t.equal(answer.bhs.readUInt8(2), response, `reason ${reason}`);
    t.equal(answer.closes, closes, `reason ${reason}`);
    t.equal(answer.bhs.readUInt32BE(16), 5);
    t.equal(answer.bhs.readUInt16BE(40), 2);
  }
});

t.test("task management: function, logical unit and what is planned", async (t) => {
  const plan = (fn: number, lun = 1, tag = 0x77) =>
    planTaskManagement(request(0x02, 0x80 | fn, { lun, at20: tag }), 4, 1);
  t.same(plan(1), { type: "abortTask", filter: { nexus: 4, itt: 0x77 } });
  t.same(plan(1, 1, NO_TAG), { type: "answer", response: 255 });
  t.same(plan(2), { type: "abortTaskSet", filter: { nexus: 4 } });
  t.same(plan(3), { type: "answer", response: 5 });
  t.same(plan(4), { type: "clearTaskSet" });
  t.same(plan(5), { type: "reset", scope: "logicalUnit" });
  t.same(plan(6, 9), { type: "reset", scope: "warm" }, "a target reset names no logical unit");
  t.same(plan(7, 9), { type: "reset", scope: "cold" });
  t.same(plan(8), { type: "answer", response: 4 });
  t.same(plan(99), { type: "answer", response: 5 });
  for (const fn of [1, 2, 4, 5])
    t.same(plan(fn, 2), { type: "answer", response: 2 }, `function ${fn} elsewhere`);
});

t.test("the request to log out", async (t) => {
  const bhs = encodeLogoutRequestMessage(3);
  t.equal(bhs.readUInt8(0), 0x32);
  t.equal(bhs.readUInt32BE(16), NO_TAG);
  t.equal(bhs.readUInt8(36), 1);
  t.equal(bhs.readUInt16BE(42), 3);
});
