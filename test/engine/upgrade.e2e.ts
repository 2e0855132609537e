/** An engine that takes the place of another one while initiators go on. */
import { readFileSync } from "node:fs";
import { pino } from "pino";
import t, { type Test } from "tap";
import { buildGenerator, load } from "../../bench/load.js";
import { PATTERNS } from "../../bench/patterns.js";
import { HandOver } from "../../engine/hand-over/take.js";
import { parseHostPort } from "../../engine/host-port.js";
import { Initiator } from "../../engine/target/testing/initiator.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { sleep, waitFor } from "../tools/process.js";
import { withCluster, type Cluster, type EngineProcess } from "./cluster.js";

const SIZE = "64MiB";
const FENCED = 4;
const MEMBERSHIP = 3;
const UPGRADES = 5;
const BETWEEN_MS = 1_500;
const WAIT_MS = 30_000;
/** for an engine to say what it has to say once it is connected */
const SAYING_MS = 500;
const silent = pino({ level: "silent" });

/** A cluster of two replicas, and an engine whose successors listen where it does. */
async function withEngine(body: (cluster: Cluster, engine: EngineProcess) => Promise<void>): Promise<void> {
  await withCluster(SIZE, async (cluster) => {
    await cluster.addReplica();
    await cluster.addReplica();
    const engine = await cluster.startEngine();
    cluster.portal = new URL(engine.url()).host;
    await body(cluster, engine);
  });
}

t.test("five engines in a row take over under verified I/O: no error, nothing lost", async (t) => {
  const { signal } = new AbortController();
  await buildGenerator(signal);
  const pattern = PATTERNS.find(({ kind }) => kind === "mixed");
  if (pattern === undefined) throw new Error("no mixed pattern");
  await withEngine(async (cluster, first) => {
    const running = load(
      { iscsi: first.url() },
      {
        ...{ pattern, range: 32 << 20, seed: 1, processes: [] },
        ...{ seconds: (BETWEEN_MS * (UPGRADES + 2)) / 1_000, warmup: 0, verify: true, reconnect: true },
      },
      signal,
    );
    let present = first;
    for (let i = 0; i < UPGRADES; i++) {
      await sleep(BETWEEN_MS);
      const next = await cluster.startEngine(["--upgrade"]);
      t.equal(next.url(), first.url());
      t.equal(await present.process.ended, FENCED);
      t.match(present.process.output(), "the volume was handed to it");
      t.match(await next.status(), { state: "serving", replicas: [{ mode: "RW" }, { mode: "RW" }] });
      present = next;
    }
    const result = await running;
    t.comment(`longest pause ${result.latencyUs.max / 1_000} ms, p99.9 ${result.latencyUs.p999 / 1_000} ms`);
    t.equal(result.errors, 0);
    t.ok(result.verifiedBytes > 0);
  });
});

/** @returns an initiator that is logged in, and what its first commands are told until one is GOOD */
async function logIn(t: Test, engine: EngineProcess, name: string): Promise<[Initiator, string[]]> {
  const { host, pathname } = new URL(engine.url());
  const initiator = await Initiator.connect(parseHostPort(host));
  t.teardown(() => initiator.close());
  const { status } = await initiator.login({ InitiatorName: name, TargetName: pathname.split("/")[1] ?? "" });
  t.equal(status, 0);
  const told: string[] = [];
  for (;;) {
    const { status, sense } = await initiator.command("00");
    if (status === 0) return [initiator, told];
    told.push(sense);
  }
}

const REGISTER = "5f 00 00 00 00 00000018 00";
const RESERVE_EXCLUSIVE = "5f 01 03 00 00 00000018 00";
const READ10 = "28 00 00000000 00 0008 00";
const CONFLICT = 0x18;

const APTPL = 0x01;

function keys(key: number, actionKey: number, flags = 0): Buffer {
  const list = Buffer.alloc(24);
  list.writeUInt8(flags, 20);
  list.writeBigUInt64BE(BigInt(key), 0);
  list.writeBigUInt64BE(BigInt(actionKey), 8);
  return list;
}

t.test(
  "reservations that need not outlive a power loss outlive an upgrade; initiators hear of a lost session",
  async (t) => {
    await withEngine(async (cluster, first) => {
      const [name, other] = ["iqn.2014-11.test:holder", "iqn.2014-11.test:other"];
      const [holder, powerOn] = await logIn(t, first, name);
      t.strictSame(powerOn, ["6/29/0"]);
      await logIn(t, first, other);
      t.equal((await holder.command(REGISTER, keys(0, 7))).status, 0);
      t.equal((await holder.command(RESERVE_EXCLUSIVE, keys(7, 0))).status, 0);

      const next = await cluster.startEngine(["--upgrade"]);
      const message = await holder.expect();
      t.equal(message.bhs.readUInt8(0), 0x32, "an Asynchronous Message");
      t.equal(message.bhs.readUInt8(36), 3, "the target drops all connections");
      t.equal(message.bhs.readUInt32BE(40), 0, "and may be asked again at once");
      t.equal(await holder.next(), null);

      const [again, told] = await logIn(t, next, name);
      t.strictSame(told, ["6/29/7"], "I_T nexus loss, no power on");
      const [stranger] = await logIn(t, next, other);
      t.equal((await again.command(READ10)).status, 0);
      t.equal((await stranger.command(READ10)).status, CONFLICT);
    });
  },
);

t.test("when the next engine fails half way, the first one goes on with all that it knew", async (t) => {
  await withEngine(async (cluster, engine) => {
    const io = await IscsiIo.connect(engine.url());
    await io.write(0, 4096, 1);
    const addresses = cluster.replicas.map(({ address }) => address);
    const taken = await HandOver.ask("a-test", addresses, silent);
    t.not(taken, null);
    const held = io.write(4096, 4096, 2);
    held.catch(() => undefined);
    taken?.cancel();
    await t.rejects(held, "this initiator does not log in again by itself");
    io.kill();

    // Initiators are let go when the engine listens again.
    const again = await IscsiIo.connect(engine.url());
    t.strictSame(await again.read(0, 4096), [{ version: 1, sectors: 8 }]);
    await again.write(4096, 4096, 3);
    t.strictSame(await again.read(4096, 4096), [{ version: 3, sectors: 8 }]);
    t.match((await engine.status()).state, "serving");
    again.kill();
    const next = await cluster.startEngine(["--upgrade"]);
    t.equal(next.url(), engine.url(), "and is upgraded later");
  });
});

/** Sockets of the engine's offer: the one that listens, and one of each next engine. */
function offerSockets(engineId: string): number {
  const lines = readFileSync("/proc/net/unix", "utf8").split("\n");
  return lines.filter((line) => line.includes(`@aurochs-engine-${engineId}`)).length;
}

t.test("a next engine that the first one has given up changes nothing when it goes on", async (t) => {
  await withEngine(async (cluster, engine) => {
    const engineId = /"engineId":"([^"]+)"/.exec(engine.process.output())?.[1] ?? "";
    // Both are stopped in turn: the next one has asked, and does not hear of the answer in time.
    engine.process.child.kill("SIGSTOP");
    const slow = cluster.beginEngine(["--upgrade"]);
    await waitFor("the next engine to ask", WAIT_MS, () => offerSockets(engineId) > 1 || undefined);
    await sleep(SAYING_MS);
    slow.process.child.kill("SIGSTOP");
    engine.process.child.kill("SIGCONT");
    await waitFor("the first one to go on", WAIT_MS, () =>
      engine.process.output().includes("this one goes on") ? true : undefined,
    );
    const [name, other] = ["iqn.2014-11.test:holder", "iqn.2014-11.test:other"];
    const [holder] = await waitFor("it to listen again", WAIT_MS, () =>
      logIn(t, engine, name).catch(() => undefined),
    );
    t.equal((await holder.command(REGISTER, keys(0, 7, APTPL))).status, 0);
    t.equal((await holder.command(RESERVE_EXCLUSIVE, keys(7, 0))).status, 0);

    slow.process.child.kill("SIGCONT");
    const { process, ready } = await slow.settled;
    if (ready !== null) throw new Error(`it serves:\n${process.output()}`);
    t.match(process.output(), "has gone on since it gave the volume away");
    t.equal(await process.ended, FENCED);
    t.equal((await holder.command(READ10)).status, 0, "nobody was let go");
    const [stranger] = await logIn(t, engine, other);
    t.equal((await stranger.command(READ10)).status, CONFLICT);

    const next = await cluster.startEngine(["--upgrade"]);
    const [late] = await logIn(t, next, other);
    t.equal((await late.command(READ10)).status, CONFLICT, "the one after it is told of the reservation");
  });
});

t.test("an engine that could not serve the volume does not trouble the one that does", async (t) => {
  await withEngine(async (cluster, engine) => {
    const io = await IscsiIo.connect(engine.url());
    await io.write(0, 4096, 1);
    const [first] = cluster.replicas;
    const wrong = await cluster.startEngine(["--upgrade", "--size", "128MiB"]);
    t.equal(await wrong.process.ended, MEMBERSHIP);
    t.match(wrong.process.output(), "WRONG_SIZE");
    const alone = await cluster.startEngine(["--upgrade"], first === undefined ? [] : [first]);
    t.equal(await alone.process.ended, MEMBERSHIP);
    t.match(alone.process.output(), "NOT_CONFIGURED");
    await io.write(4096, 4096, 2);
    t.strictSame(await io.read(0, 8192), [{ version: 1, sectors: 8 }, { version: 2, sectors: 8 }]); // prettier-ignore
    io.kill();
  });
});

t.test("where no engine answers any more, an upgrade is a start", async (t) => {
  await withEngine(async (cluster, engine) => {
    const io = await IscsiIo.connect(engine.url());
    await io.write(0, 4096, 1);
    await cluster.kill(engine.process);
    io.kill();
    const next = await cluster.startEngine(["--upgrade"]);
    const again = await IscsiIo.connect(next.url());
    t.strictSame(await again.read(0, 4096), [{ version: 1, sectors: 8 }]);
    again.kill();
    await waitFor("the copies to agree", WAIT_MS, async () =>
      (await next.status()).state === "serving" ? true : undefined,
    );
  });
});
