import { connect } from "node:net";
import { randomUUID } from "node:crypto";
import { pino } from "pino";
import t, { type Test } from "tap";
import { MESSAGE_BYTES_MAX } from "./limits.js";
import { HandOverOffer, socketNameOf, type Gift, type Giver } from "./offer.js";

const log = pino({ level: "silent" });

/** An engine that notes what is asked of it. */
class Recorder implements Giver {
  readonly id = randomUUID();
  readonly calls: string[] = [];
  refusal: Error | null = null;
  #changed: () => void = () => undefined;

  give = async (): Promise<Gift> => {
    this.#note("give");
    if (this.refusal !== null) throw this.refusal;
    return { unit: Buffer.from("unit"), generation: 7 };
  };
  leave = async (): Promise<void> => this.#note("leave");
  goOn = async (after: readonly string[]): Promise<void> =>
    this.#note(`goOn ${after.map((id) => (id === this.id ? "self" : id)).join(" ")}`);

  #note(call: string): void {
    this.calls.push(call);
    this.#changed();
  }

  async until(count: number): Promise<string[]> {
    while (this.calls.length < count) await new Promise<void>((resolve) => (this.#changed = resolve));
    return this.calls;
  }
}

function offered(t: Test): Recorder {
  const giver = new Recorder();
  const offer = HandOverOffer.make(giver.id, giver, log);
  t.teardown(() => offer.close());
  return giver;
}

/** Says `lines` to the engine. @returns what it answers until it ends the connection, or until `answers` lines came */
function say(giver: Recorder, lines: string[], answers = Infinity): Promise<string[]> {
  return new Promise((resolve) => {
    const socket = connect(socketNameOf(giver.id));
    let text = "";
    const end = () => resolve(text.split("\n").filter((line) => line !== ""));
    socket.setEncoding("utf8").on("data", (more: string) => {
      text += more;
      if (text.split("\n").length > answers) socket.destroy();
    });
    socket.on("close", end).on("error", () => undefined);
    socket.write(lines.map((line) => `${line}\n`).join(""));
  });
}

const GIVE = '{"call":"give","engineId":"next"}';
const LEAVE = '{"call":"leave"}';
const UNIT = `{"unit":"${Buffer.from("unit").toString("base64")}","generation":7}`;

t.test("the volume is given, then its initiators are let go", async (t) => {
  const giver = offered(t);
  t.strictSame(await say(giver, [GIVE, LEAVE]), [UNIT]);
  t.strictSame(giver.calls, ["give", "leave"]);
});

t.test("a next engine that goes away before it serves leaves the volume to the first one", async (t) => {
  const giver = offered(t);
  t.strictSame(await say(giver, [GIVE], 1), [UNIT]);
  t.strictSame(await giver.until(2), ["give", "goOn self next"]);
  t.strictSame(await say(giver, [GIVE, LEAVE]), [UNIT], "and the one after it gets it");
});

t.test("who refuses says why, and goes on as if nothing had been asked", async (t) => {
  const giver = offered(t);
  giver.refusal = new Error("not now");
  t.strictSame(await say(giver, [GIVE]), ['{"refused":"not now"}']);
  t.strictSame(giver.calls, ["give"]);
});

t.test("only one engine at a time is given the volume", async (t) => {
  const giver = offered(t);
  const first = connect(socketNameOf(giver.id));
  first.write(`${GIVE}\n`);
  await giver.until(1);
  t.strictSame(await say(giver, [GIVE]), ['{"refused":"it is being handed over already"}']);
  first.destroy();
  t.strictSame(await giver.until(2), ["give", "goOn self next"]);
});

t.test("what is no request ends the connection and changes nothing", async (t) => {
  const giver = offered(t);
  for (const line of ["", "x", "null", "[]", LEAVE, '{"call":"give"}', "y".repeat(MESSAGE_BYTES_MAX + 1)])
    t.strictSame(await say(giver, [line]), [], line.slice(0, 20));
  t.strictSame(giver.calls, []);
});

t.test("an engine without an offer is not there", async (t) => {
  t.strictSame(await say(new Recorder(), [GIVE]), []);
});
