import t from "tap";
import { KEYS, Negotiation, NegotiationError, parseNumber } from "./negotiation.js";

function answerOne(name: string, value: string, session: "normal" | "discovery" = "normal"): string | null {
  return new Negotiation().answer([[name, value]], session)[0]?.[1] ?? null;
}

t.test("each offer gets its result", async (t) => {
  const rows: [name: string, offer: string, answer: string | null][] = [
    ["HeaderDigest", "CRC32C,None", "CRC32C"],
    ["HeaderDigest", "None,CRC32C", "None"],
    ["DataDigest", "CRC32C", "CRC32C"],
    ["DataDigest", "SHA9,None", "None"],
    ["DataDigest", "SHA9", "Reject"],
    ["MaxConnections", "8", "1"],
    ["MaxConnections", "0", "Reject"],
    ["InitialR2T", "No", "No"],
    ["InitialR2T", "Yes", "Yes"],
    ["ImmediateData", "Yes", "Yes"],
    ["ImmediateData", "No", "No"],
    ["ImmediateData", "maybe", "Reject"],
    ["MaxBurstLength", "16776192", "1048576"],
    ["MaxBurstLength", "4096", "4096"],
    ["MaxBurstLength", "511", "Reject"],
    ["MaxBurstLength", "16777216", "Reject"],
    ["FirstBurstLength", "0x10000", "65536"],
    ["FirstBurstLength", "999999", "262144"],
    ["DefaultTime2Wait", "0", "2"],
    ["DefaultTime2Wait", "5", "5"],
    ["DefaultTime2Retain", "20", "0"],
    ["DefaultTime2Retain", "3601", "Reject"],
    ["MaxOutstandingR2T", "16", "8"],
    ["MaxOutstandingR2T", "1", "1"],
    ["DataPDUInOrder", "No", "Yes"],
    ["DataSequenceInOrder", "No", "Yes"],
    ["ErrorRecoveryLevel", "2", "0"],
    ["ErrorRecoveryLevel", "3", "Reject"],
    ["TaskReporting", "FastAbort,ResponseFence,RFC3720", "RFC3720"],
    ["TaskReporting", "FastAbort", "Reject"],
    ["iSCSIProtocolLevel", "2", "1"],
    ["OFMarker", "Yes", "No"],
    ["IFMarker", "Yes", "No"],
    ["OFMarkInt", "2048", "Reject"],
    ["IFMarkInt", "2048", "Reject"],
    ["X-org.example.thing", "1", "NotUnderstood"],
    ["Whatever", "", "NotUnderstood"],
    ["MaxRecvDataSegmentLength", "65536", null],
    ["InitiatorAlias", "it", null],
  ];
  for (const [name, offer, answer] of rows) t.equal(answerOne(name, offer), answer, `${name}=${offer}`);
});

t.test("session-wide data keys are irrelevant to a discovery session", async (t) => {
  for (const [name, rule] of Object.entries(KEYS)) {
    if (!("scope" in rule) || rule.scope !== "normal") continue;
    t.equal(answerOne(name, "1", "discovery"), "Irrelevant", name);
  }
  t.equal(answerOne("HeaderDigest", "CRC32C", "discovery"), "CRC32C");
});

t.test("FirstBurstLength is irrelevant without unsolicited data", async (t) => {
  const answers = new Negotiation().answer(
    [["InitialR2T", "Yes"], ["ImmediateData", "No"], ["FirstBurstLength", "65536"]],
    "normal",
  ); // prettier-ignore
  t.same(answers.at(-1), ["FirstBurstLength", "Irrelevant"]);
});

t.test("a key sent twice, a target's key and a declaration out of range end the login", async (t) => {
  const negotiation = new Negotiation();
  negotiation.answer([["MaxBurstLength", "4096"]], "normal");
  t.throws(
    () => negotiation.answer([["MaxBurstLength", "4096"]], "normal"),
    NegotiationError,
    "in two texts",
  );
  t.throws(() => answerOne("TargetAddress", "1.2.3.4"), NegotiationError);
  t.throws(() => answerOne("TargetPortalGroupTag", "1"), NegotiationError);
  t.throws(() => answerOne("MaxRecvDataSegmentLength", "511"), NegotiationError);
  t.throws(() => answerOne("MaxRecvDataSegmentLength", "no"), NegotiationError);
});

t.test("what was never sent keeps its initial value", async (t) => {
  t.same(new Negotiation().result(), {
    headerDigest: false,
    dataDigest: false,
    initiatorMaxRecvDataSegmentLength: 8192,
    maxBurstLength: 262144,
    firstBurstLength: 65536,
    initialR2T: true,
    immediateData: true,
    maxOutstandingR2T: 1,
    defaultTime2Wait: 2,
    defaultTime2Retain: 20,
  });
});

t.test("the first burst never passes the burst, even when only one was negotiated", async (t) => {
  const negotiation = new Negotiation();
  negotiation.answer([["MaxBurstLength", "8192"]], "normal");
  t.equal(negotiation.result().firstBurstLength, 8192);
});

t.test("numbers are decimal or hexadecimal and nothing else", async (t) => {
  t.equal(parseNumber("0x1F", 0, 100), 31);
  t.equal(parseNumber("100", 0, 100), 100);
  for (const bad of ["", "1.5", "-1", "1e3", " 1", "0x", "101", "99999999999"])
    t.equal(parseNumber(bad, 0, 100), null, bad);
});
