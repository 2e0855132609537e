import { createHash } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { Login, LOGIN_STATUS, type LoginOptions, type LoginStep } from "./login.js";
import { loginAnswer, loginRequest, readText, request, textData, type LoginFields } from "./testing/pdus.js";

const TARGET = "iqn.2019-10.io.longhorn:vol";
const INITIATOR = "iqn.1993-08.org.debian:01:abc";
const CHAP = { initiator: { name: "alice", secret: "initiator secret" }, target: { name: "vault", secret: "target's own secret" } }; // prettier-ignore

function options(change: Partial<LoginOptions> = {}): LoginOptions {
  return {
    targetName: TARGET,
    targetPortalGroupTag: 1,
    acl: null,
    chap: null,
    commandWindow: 128,
    findSession: () => null,
    available: () => true,
    ...change,
  };
}

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET };
const TO_FULL: LoginFields = { currentStage: 1, nextStage: 3, transit: true };

function statusOf(step: LoginStep): number | string {
  return step.type === "refuse" ? step.status : step.type;
}

/** The status that one first request is refused with. */
function refusal(
  fields: LoginFields,
  keys: Record<string, string>,
  change: Partial<LoginOptions> = {},
): number | string {
  return statusOf(new Login(options(change)).step(loginRequest(fields), textData(keys)));
}

t.test("an initiator may go straight to operational negotiation and full feature phase", async (t) => {
  const login = new Login(options({ targetAlias: "a disk" }));
  const keys = { ...NAMES, InitiatorAlias: "node", HeaderDigest: "CRC32C,None", MaxBurstLength: "65536", MaxRecvDataSegmentLength: "131072" }; // prettier-ignore
  const step = login.step(loginRequest({ ...TO_FULL, cmdSn: 77, cid: 5 }), textData(keys));
  if (step.type !== "complete") return t.fail(step.type);
  t.match(step.result, {
    session: "normal",
    initiatorName: INITIATOR,
    initiatorAlias: "node",
    isid: "00023d000001",
    cid: 5,
    maxRecvDataSegmentLength: 262144,
    expCmdSn: 77,
    statSn: 1,
    negotiated: {
      headerDigest: true,
      dataDigest: false,
      maxBurstLength: 65536,
      initiatorMaxRecvDataSegmentLength: 131072,
    },
  });
  const { bhs, data } = step.finish(9);
  t.same(loginAnswer(bhs), { transit: true, stages: "1>3", status: 0, tsih: 9 });
  t.equal(bhs.readUInt32BE(28), 77, "ExpCmdSN");
  t.equal(bhs.readUInt32BE(32), 77 + 127, "MaxCmdSN");
  t.same(readText(data), {
    TargetPortalGroupTag: "1",
    TargetAlias: "a disk",
    HeaderDigest: "CRC32C",
    MaxBurstLength: "65536",
    MaxRecvDataSegmentLength: "262144",
  });
});

t.test("security, then operational negotiation, then full feature phase", async (t) => {
  const login = new Login(options());
  const first = login.step(
    loginRequest({ transit: true, currentStage: 0, nextStage: 1 }),
    textData({ ...NAMES, SessionType: "Normal", AuthMethod: "CHAP,None" }),
  );
  if (first.type !== "respond") return t.fail(first.type);
  t.same(loginAnswer(first.bhs), { transit: true, stages: "0>1", status: 0, tsih: 0 });
  t.same(readText(first.data), { TargetPortalGroupTag: "1", AuthMethod: "None" });
  t.equal(first.bhs.readUInt32BE(24), 0, "StatSN");
  const second = login.step(loginRequest(TO_FULL), textData({ InitialR2T: "No" }));
  if (second.type !== "complete") return t.fail(second.type);
  t.equal(second.result.statSn, 2, "every response has counted");
  t.equal(second.finish(1).bhs.readUInt32BE(24), 1, "StatSN");
});

t.test("a login straight from security keeps every initial value", async (t) => {
  const login = new Login(options());
  const step = login.step(
    loginRequest({ transit: true, currentStage: 0, nextStage: 3 }),
    textData({ ...NAMES, AuthMethod: "None" }),
  );
  if (step.type !== "complete") return t.fail(step.type);
  t.equal(step.result.maxRecvDataSegmentLength, 8192, "nothing was declared");
});

t.test("keys may span requests, cut anywhere", async (t) => {
  const data = textData({ ...NAMES, MaxBurstLength: "4096" });
  const login = new Login(options());
  const part = login.step(loginRequest({ currentStage: 1, more: true }), data.subarray(0, 25));
  if (part.type !== "respond") return t.fail(part.type);
  t.equal(part.data.length, 0, "an answer without keys");
  const step = login.step(loginRequest(TO_FULL), data.subarray(25));
  if (step.type !== "complete") return t.fail(step.type);
  t.equal(step.result.negotiated.maxBurstLength, 4096);
});

t.test("a discovery session needs no target", async (t) => {
  const step = new Login(options()).step(
    loginRequest(TO_FULL),
    textData({ InitiatorName: INITIATOR, SessionType: "Discovery" }),
  );
  if (step.type !== "complete") return t.fail(step.type);
  t.equal(step.result.session, "discovery");
  t.notOk("TargetPortalGroupTag" in readText(step.finish(1).data));
});

t.test("each thing that is wrong has its status", async (t) => {
  const { INITIATOR_ERROR } = LOGIN_STATUS;
  const rows: [what: string, actual: number | string, status: number][] = [
    ["a later version only", refusal({ versionMin: 1, versionMax: 1 }, NAMES), 0x0205],
    ["no InitiatorName", refusal(TO_FULL, { TargetName: TARGET }), 0x0207],
    ["no TargetName", refusal(TO_FULL, { InitiatorName: INITIATOR }), 0x0207],
    ["another target", refusal(TO_FULL, { ...NAMES, TargetName: "iqn.2019-10.io.longhorn:other" }), 0x0203],
    ["another target in discovery", refusal(TO_FULL, { ...NAMES, SessionType: "Discovery", TargetName: "iqn.2000-01.x:y" }), 0x0203],
    ["an odd session type", refusal(TO_FULL, { ...NAMES, SessionType: "Odd" }), 0x0209],
    ["not on the access list", refusal(TO_FULL, NAMES, { acl: ["iqn.1993-08.org.debian:02"] }), 0x0202],
    ["a malformed initiator name", refusal(TO_FULL, { ...NAMES, InitiatorName: "alice" }), INITIATOR_ERROR],
    ["an overlong initiator name", refusal(TO_FULL, { ...NAMES, InitiatorName: `iqn.1993-08.${"x".repeat(230)}` }), INITIATOR_ERROR],
    ["an unknown TSIH", refusal({ ...TO_FULL, tsih: 4 }, NAMES), 0x020a],
    ["a second connection", refusal({ ...TO_FULL, tsih: 4, cid: 1 }, NAMES, { findSession: () => ({ cid: 0 }) }), 0x0206],
    ["a connection taken over", refusal({ ...TO_FULL, tsih: 4, cid: 1 }, NAMES, { findSession: () => ({ cid: 1 }) }), 0x0208],
    ["shutting down", refusal(TO_FULL, NAMES, { available: () => false }), 0x0301],
    ["CHAP skipped by stage", refusal(TO_FULL, NAMES, { chap: CHAP }), 0x0201],
    ["CHAP skipped by transit", refusal({ currentStage: 0, nextStage: 1, transit: true }, NAMES, { chap: CHAP }), 0x0201],
    ["CHAP not offered", refusal({ currentStage: 0, nextStage: 1 }, { ...NAMES, AuthMethod: "None" }, { chap: CHAP }), 0x0201],
    ["only CHAP where there is none", refusal({ currentStage: 0, nextStage: 1 }, { ...NAMES, AuthMethod: "CHAP" }), 0x0201],
    ["CHAP keys without CHAP", refusal({ currentStage: 0 }, { ...NAMES, CHAP_A: "5" }), INITIATOR_ERROR],
    ["current stage 2", refusal({ currentStage: 2 }, NAMES), INITIATOR_ERROR],
    ["current stage 3", refusal({ currentStage: 3 }, NAMES), INITIATOR_ERROR],
    ["next stage 2", refusal({ currentStage: 1, nextStage: 2, transit: true }, NAMES), INITIATOR_ERROR],
    ["next stage behind", refusal({ currentStage: 1, nextStage: 0, transit: true }, NAMES), INITIATOR_ERROR],
    ["T and C", refusal({ ...TO_FULL, more: true }, NAMES), INITIATOR_ERROR],
    ["AuthMethod in the operational stage", refusal(TO_FULL, { ...NAMES, AuthMethod: "None" }), INITIATOR_ERROR],
    ["a target's key", refusal(TO_FULL, { ...NAMES, TargetAddress: "1.2.3.4" }), INITIATOR_ERROR],
    ["a key twice", statusOf(new Login(options()).step(loginRequest(TO_FULL), textData([...Object.entries(NAMES), ["MaxBurstLength", "512"], ["MaxBurstLength", "512"]]))), INITIATOR_ERROR],
    ["text without '='", statusOf(new Login(options()).step(loginRequest(TO_FULL), Buffer.from("Nonsense\0"))), INITIATOR_ERROR],
  ]; // prettier-ignore
  for (const [what, actual, status] of rows) t.equal(actual, status, what);
});

t.test("requests of one login have to belong together", async (t) => {
  for (const [what, change] of Object.entries({
    isid: { isid: "00023d000002" },
    cid: { cid: 9 },
    itt: { itt: 5 },
    "current stage": { currentStage: 0 },
  })) {
    const login = new Login(options());
    login.step(loginRequest({ currentStage: 1 }), textData(NAMES));
    t.equal(statusOf(login.step(loginRequest({ ...TO_FULL, ...change }), Buffer.alloc(0))), 0x0200, what);
  }
});

t.test("something else than a Login Request has its own status", async (t) => {
  t.equal(statusOf(new Login(options()).unexpectedPdu(request(0x01, 0x80))), 0x020b);
});

t.test("a login that never ends is refused", async (t) => {
  const login = new Login(options());
  login.step(loginRequest({ currentStage: 1 }), textData(NAMES));
  let step: LoginStep | null = null;
  for (let i = 0; i < 40 && step?.type !== "refuse"; ++i)
    step = login.step(loginRequest({ currentStage: 1 }), Buffer.alloc(0));
  t.equal(step === null ? "" : statusOf(step), 0x0302);
});

function chapLogin(secret: string, mutual: boolean): { step: LoginStep; proof: Record<string, string> } {
  const login = new Login(options({ chap: CHAP }));
  login.step(
    loginRequest({ currentStage: 0, nextStage: 1 }),
    textData({ ...NAMES, AuthMethod: "CHAP,None" }),
  );
  const challenge = login.step(loginRequest({ currentStage: 0 }), textData({ CHAP_A: "7,5" }));
  if (challenge.type !== "respond") throw new Error(challenge.type);
  const keys = readText(challenge.data);
  const digest = createHash("sha256")
    .update(Buffer.of(Number(keys["CHAP_I"])))
    .update(secret)
    .update(Buffer.from((keys["CHAP_C"] ?? "").slice(2), "hex"))
    .digest("hex");
  const mine = mutual ? { CHAP_I: "1", CHAP_C: "0x00112233" } : {};
  const step = login.step(
    loginRequest({ currentStage: 0, nextStage: 1, transit: true }),
    textData({ CHAP_N: "alice", CHAP_R: `0x${digest}`, ...mine }),
  );
  return { step, proof: step.type === "respond" ? readText(step.data) : {} };
}

t.test("CHAP: the stage is left only when the secret was right", async (t) => {
  const right = chapLogin("initiator secret", false).step;
  if (right.type !== "respond") return t.fail(right.type);
  t.same(loginAnswer(right.bhs), { transit: true, stages: "0>1", status: 0, tsih: 0 });
  t.equal(statusOf(chapLogin("initiator Secret", false).step), 0x0201);
});

t.test("CHAP: the target proves itself when asked", async (t) => {
  const { proof } = chapLogin("initiator secret", true);
  const expected = createHash("sha256").update(Buffer.of(1)).update("target's own secret").update(Buffer.from("00112233", "hex")).digest("hex"); // prettier-ignore
  t.same(proof, { CHAP_N: "vault", CHAP_R: `0x${expected}` });
});

t.test("CHAP: leaving before the response only goes on", async (t) => {
  const login = new Login(options({ chap: CHAP }));
  const step = login.step(
    loginRequest({ currentStage: 0, nextStage: 1, transit: true }),
    textData({ ...NAMES, AuthMethod: "CHAP" }),
  );
  if (step.type !== "respond") return t.fail(step.type);
  t.equal(loginAnswer(step.bhs).transit, false);
  t.equal(
    statusOf(login.step(loginRequest(TO_FULL), Buffer.alloc(0))),
    0x0200,
    "and the next stage is not taken on trust",
  );
});

t.test("whatever bytes come, a login answers, and never grants what it should not", async () => {
  const key = fc.constantFrom("InitiatorName", "TargetName", "SessionType", "AuthMethod", "CHAP_A", "CHAP_N", "CHAP_R", "CHAP_I", "CHAP_C", "MaxBurstLength", "X-y"); // prettier-ignore
  const value = fc.oneof(fc.constantFrom(INITIATOR, TARGET, "Normal", "CHAP,None", "5", "0x00", "alice", "Yes"), fc.string({ maxLength: 300 })); // prettier-ignore
  const data = fc.oneof(
    fc.array(fc.tuple(key, value), { maxLength: 8 }).map((pairs) => textData(pairs)),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  );
  const bhs = fc.record({
    transit: fc.boolean(),
    more: fc.boolean(),
    currentStage: fc.nat(3),
    nextStage: fc.nat(3),
  }).map((fields) => loginRequest(fields)); // prettier-ignore
  fc.assert(
    fc.property(fc.array(fc.tuple(bhs, data), { minLength: 1, maxLength: 8 }), (requests) => {
      const login = new Login(options({ chap: CHAP }));
      for (const [request, text] of requests) {
        const step = login.step(request, text);
        // Nobody here knows the secret.
        if (step.type === "complete") return false;
        if (step.type === "refuse") return step.bhs.length === 48;
      }
      return true;
    }),
    { numRuns: 2_000 },
  );
});
