import { createHash, createHmac } from "node:crypto";
import t from "tap";
import { ALGORITHMS, Chap, checkChapOptions, decodeBinary, encodeBinary, type ChapOptions } from "./chap.js";

const OPTIONS: ChapOptions = {
  initiator: { name: "alice", secret: "initiator secret" },
  target: { name: "vault", secret: "a target's secret" },
};

/** An initiator of its own: RFC 1994 from the text, not from chap.ts. */
function respond(keys: Record<string, string>, secret: string, hash = "md5"): string {
  const challenge = Buffer.from((keys["CHAP_C"] ?? "").slice(2), "hex");
  const message = Buffer.concat([Buffer.from([Number(keys["CHAP_I"])]), Buffer.from(secret), challenge]);
  return `0x${createHash(hash).update(message).digest("hex")}`;
}

function start(chap: Chap, algorithms = "5"): Record<string, string> {
  const step = chap.step(new Map([["CHAP_A", algorithms]]));
  if (step.type !== "continue") throw new Error("no challenge");
  return Object.fromEntries(step.pairs);
}

t.test("one-way CHAP accepts the right secret with every algorithm", async (t) => {
  for (const [number, { hash }] of ALGORITHMS) {
    const chap = new Chap(OPTIONS);
    const keys = start(chap, `99,${number}`);
    t.equal(keys["CHAP_A"], number);
    const step = chap.step(new Map([["CHAP_N", "alice"], ["CHAP_R", respond(keys, "initiator secret", hash)]])); // prettier-ignore
    t.same(step, { type: "done", pairs: [] }, hash);
  }
});

t.test("a base64 response is as good", async (t) => {
  const chap = new Chap(OPTIONS);
  const hex = respond(start(chap), "initiator secret");
  const base64 = `0b${Buffer.from(hex.slice(2), "hex").toString("base64")}`;
  t.equal(chap.step(new Map([["CHAP_N", "alice"], ["CHAP_R", base64]])).type, "done"); // prettier-ignore
});

t.test("mutual CHAP proves the target's secret", async (t) => {
  const chap = new Chap(OPTIONS);
  const response = respond(start(chap), "initiator secret");
  const challenge = createHmac("sha256", "k").update("challenge").digest();
  const mine = { CHAP_I: "7", CHAP_C: `0x${challenge.toString("hex")}` };
  const step = chap.step(new Map(Object.entries({ CHAP_N: "alice", CHAP_R: response, ...mine })));
  t.same(step, { type: "done", pairs: [["CHAP_N", "vault"], ["CHAP_R", respond(mine, "a target's secret")]] }); // prettier-ignore
});

t.test("what is wrong or missing fails", async (t) => {
  const withKeys = (
    change: (keys: Record<string, string>) => Record<string, string>,
    options = OPTIONS,
  ): string => {
    const chap = new Chap(options);
    const keys = start(chap);
    const step = chap.step(new Map(Object.entries(change(keys))));
    return step.type === "failed" ? step.reason : step.type;
  };
  const right = (keys: Record<string, string>) => ({
    CHAP_N: "alice",
    CHAP_R: respond(keys, "initiator secret"),
  });
  t.equal(withKeys(right), "done");
  t.match(
    withKeys((keys) => ({ ...right(keys), CHAP_N: "mallory" })),
    /wrong/,
  );
  t.match(
    withKeys((keys) => ({ ...right(keys), CHAP_R: respond(keys, "another secret") })),
    /wrong/,
  );
  t.match(
    withKeys((keys) => ({ CHAP_R: respond(keys, "initiator secret") })),
    /CHAP_N/,
  );
  t.match(
    withKeys(() => ({ CHAP_N: "alice" })),
    /CHAP_R/,
  );
  t.match(
    withKeys(() => ({ CHAP_N: "alice", CHAP_R: "0x00" })),
    /CHAP_R/,
  );
  t.match(
    withKeys((keys) => ({ ...right(keys), CHAP_I: "1" })),
    /CHAP_C/,
  );
  t.match(
    withKeys((keys) => ({ ...right(keys), CHAP_I: "256", CHAP_C: "0x0102" })),
    /CHAP_I/,
  );
  t.match(
    withKeys((keys) => ({ ...right(keys), CHAP_I: keys["CHAP_I"] ?? "", CHAP_C: keys["CHAP_C"] ?? "" })),
    /reflected/,
  );
  const oneWay = { initiator: OPTIONS.initiator };
  t.match(
    withKeys((keys) => ({ ...right(keys), CHAP_I: "1", CHAP_C: "0x0102" }), oneWay),
    /not configured/,
  );
  t.equal(new Chap(OPTIONS).step(new Map([["CHAP_A", "1,2"]])).type, "failed", "no known algorithm");
  t.equal(new Chap(OPTIONS).step(new Map([["CHAP_N", "alice"]])).type, "failed", "no algorithm");
});

t.test("a challenge is used once", async (t) => {
  const chap = new Chap(OPTIONS);
  const keys = start(chap);
  const response = new Map([["CHAP_N", "alice"], ["CHAP_R", respond(keys, "initiator secret")]]); // prettier-ignore
  t.equal(chap.step(response).type, "done");
  t.equal(chap.step(response).type, "failed");
  t.not(start(new Chap(OPTIONS))["CHAP_C"], keys["CHAP_C"]);
});

t.test("large binary values", async (t) => {
  t.same(decodeBinary("0x0aFF"), Buffer.from([10, 255]));
  t.same(decodeBinary("0xaff"), Buffer.from([10, 255]), "an odd number of digits");
  t.same(decodeBinary("0bCv8="), Buffer.from([10, 255]));
  t.same(decodeBinary(encodeBinary(Buffer.from("abc"))), Buffer.from("abc"));
  t.equal(decodeBinary(`0x${"00".repeat(1024)}`)?.length, 1024);
  for (const bad of ["", "12", "0x", "0xzz", "0b", "0bA", "0b=AAA", "1x00", `0x${"00".repeat(1025)}`])
    t.equal(decodeBinary(bad), null, bad.slice(0, 10));
});

t.test("weak configurations are refused", async (t) => {
  checkChapOptions(OPTIONS);
  const of = (name: string, secret: string) => ({ name, secret });
  t.throws(() => checkChapOptions({ initiator: of("a", "short") }), /shorter than 12/);
  t.throws(() => checkChapOptions({ initiator: of("", "long enough secret") }), /empty/);
  t.throws(
    () => checkChapOptions({ initiator: of("a", "the same secret"), target: of("b", "the same secret") }),
    /same/,
  );
});
