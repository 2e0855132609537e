/** Longhorn's data protocol at a whole daemon: who may speak it, and that both protocols see the same data. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { ReplicaService } from "../../proto/longhorn.js";
import { unaryClient } from "../../proto/unary.js";
import type { RunningReplica } from "../../replica/main.js";
import { Dataconn, TYPE } from "../tools/dataconn.js";
import { Engine, Home, SIZE, type Daemon } from "./harness.js";

const data = Buffer.alloc(8192, "longhorn");

function dataconnTo({ host, dataPort }: RunningReplica): Promise<Dataconn> {
  return Dataconn.open({ host, port: dataPort });
}

t.test(
  "where no engine of ours is recorded, Longhorn's protocol writes what our stream reads later",
  async (t) => {
    const home = new Home(t);
    const { running } = await home.start();
    const longhorn = await dataconnTo(running);
    t.match(await longhorn.ask(TYPE.WRITE, 4096, data.length, data), {
      type: TYPE.RESPONSE,
      sequence: 1,
      size: data.length,
    });
    t.ok((await longhorn.ask(TYPE.READ, 4096 + 512, 1024)).data.equals(data.subarray(0, 1024)));
    t.match(await longhorn.ask(TYPE.UNMAP, 8192, 4096), { type: TYPE.RESPONSE, size: 4096 });

    const engine = new Engine(running, "e1", 1);
    await engine.record();
    const stream = await engine.connect();
    t.ok((await stream.read(4096, 4096)).equals(data.subarray(0, 4096)));
    t.ok((await stream.read(8192, 4096)).equals(Buffer.alloc(4096)));
    await t.resolveMatch(
      longhorn.ask(TYPE.WRITE, 0, 512, Buffer.alloc(512)),
      { magic: 0, type: TYPE.CLOSE },
      "an engine of ours has taken over",
    );
    longhorn.close();
    engine.close();
  },
);

t.test("where an engine of ours is recorded, Longhorn's protocol is refused before it is read", async (t) => {
  const home = new Home(t);
  const { running } = await home.start();
  const engine = new Engine(running, "e1", 1);
  await engine.record();
  const stream = await engine.connect();
  await stream.write(0, data);
  const longhorn = await dataconnTo(running);
  t.match(await longhorn.ask(TYPE.WRITE, 0, 512, Buffer.alloc(512)), { magic: 0, type: TYPE.CLOSE });
  t.ok((await stream.read(0, data.length)).equals(data));
  longhorn.close();
  engine.close();
});

t.test("writes past the end are refused, and the replica goes on", async (t) => {
  const home = new Home(t);
  const { running } = await home.start();
  const longhorn = await dataconnTo(running);
  await longhorn.ask(TYPE.WRITE, SIZE - data.length, data.length, data);
  for (const offset of [SIZE, SIZE - 512, SIZE + (1 << 30), -512]) {
    const answer = await longhorn.ask(TYPE.WRITE, offset, 1024, Buffer.alloc(1024, 1));
    t.match(answer, { type: TYPE.ERROR }, `at ${offset}`);
    t.match(answer.data.toString(), /past|end/, answer.data.toString());
  }
  t.match(await longhorn.ask(TYPE.UNMAP, SIZE, 4096), { type: TYPE.ERROR });
  t.ok((await longhorn.ask(TYPE.READ, SIZE - data.length, data.length)).data.equals(data));
  longhorn.close();
});

t.test(
  "ranges of any alignment are served, and writers of one sector lose nothing of each other",
  async (t) => {
    const home = new Home(t);
    const { running } = await home.start();
    const writers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => dataconnTo(running)));
    const [begin, length, step] = [4096 + 500, 1100, 7];
    const expected = Buffer.alloc(length);
    // In turn around the range, so that neighbours come by different connections at once.
    const write = async (longhorn: Dataconn, index: number) => {
      for (let at = index * step; at < length; at += writers.length * step) {
        const piece = Buffer.alloc(Math.min(step, length - at), index + 1);
        piece.copy(expected, at);
        t.match(await longhorn.ask(TYPE.WRITE, begin + at, piece.length, piece), {
          type: TYPE.RESPONSE,
          size: piece.length,
        });
      }
    };
    await Promise.all(writers.map(write));
    const [reader] = writers;
    t.ok((await reader?.ask(TYPE.READ, begin, length))?.data.equals(expected));
    t.ok((await reader?.ask(TYPE.READ, begin - 1, 1))?.data.equals(Buffer.alloc(1)), "what was there before");
    t.ok((await reader?.ask(TYPE.READ, begin + length, 3))?.data.equals(Buffer.alloc(3)));
    t.match(await reader?.ask(TYPE.WRITE, SIZE - 1, 2, Buffer.alloc(2)), { type: TYPE.ERROR });
    for (const longhorn of writers) longhorn.close();
  },
);

t.test("a replica that is killed tells Longhorn's engine every write that it has answered", async (t) => {
  const home = new Home(t);
  await (await home.start({ revisionCounter: true })).kill("SIGTERM");
  const counted = () =>
    Number(readFileSync(join(home.directory, "revision.counter"), "latin1").replace(/\0+$/, ""));
  const first = await home.start();
  const longhorn = await dataconnTo(first.running);
  for (let i = 1; i <= 5; i++) {
    await longhorn.ask(TYPE.WRITE, 0, data.length, data);
    t.equal(counted(), i, "before the answer");
  }
  await longhorn.ask(TYPE.UNMAP, 0, 4096);
  await first.kill("SIGKILL");
  t.equal(counted(), 6);
  longhorn.close();

  const second = await home.start();
  const replica = unaryClient(ReplicaService, `${second.running.host}:${second.running.port}`);
  t.teardown(replica.close);
  const again = await dataconnTo(second.running);
  await again.ask(TYPE.WRITE, 0, data.length, data);
  t.equal(counted(), 7);
  await replica.calls.revisionCounterSet({ counter: 100 }, { timeoutMs: 60_000 });
  t.equal(counted(), 100);
  await again.ask(TYPE.WRITE, 0, data.length, data);
  t.equal(counted(), 101);
  again.close();
});

t.test("who connects before the replica is opened is served then, as often as it is opened", async (t) => {
  const home = new Home(t);
  const { running } = await home.start({ startClosed: true });
  const replica = unaryClient(ReplicaService, `${running.host}:${running.port}`);
  t.teardown(replica.close);
  const call = { timeoutMs: 60_000 };
  for (const round of [1, 2]) {
    const longhorn = await dataconnTo(running);
    const answer = longhorn.ask(TYPE.WRITE, 0, data.length, data);
    t.match(await replica.calls.replicaGet({}, call), { replica: { state: "closed" } });
    await replica.calls.replicaOpen({}, call);
    t.match(await answer, { type: TYPE.RESPONSE, size: data.length }, `opened ${round} times`);
    await replica.calls.replicaClose({}, call);
    longhorn.close();
  }
});

t.test("data are served at a unix socket, whose file goes with the replica", async (t) => {
  const home = new Home(t);
  const dataSocket = join(home.root, "sockets", "vol.sock");
  const serves = async ({ running }: Daemon) => {
    t.match(running, { dataPort: 0, dataSocket });
    const longhorn = await Dataconn.open({ path: dataSocket });
    t.match(await longhorn.ask(TYPE.WRITE, 4096, data.length, data), { type: TYPE.RESPONSE });
    t.ok((await longhorn.ask(TYPE.READ, 4096, data.length)).data.equals(data));
    longhorn.close();
  };
  const first = await home.start({ dataSocket });
  await serves(first);
  const { dataPort, dataSocket: told } = await new Engine(first.running, "e1", 1).identify();
  t.strictSame({ dataPort, told }, { dataPort: 0, told: dataSocket });
  await t.rejects(home.start({ dataSocket, directory: join(home.root, "other") }), {
    message: `another process serves ${dataSocket}`,
  });
  await serves(first);
  await first.kill("SIGKILL");
  t.ok(existsSync(dataSocket), "left");
  const second = await home.start({ dataSocket });
  await serves(second);
  await second.kill("SIGTERM");
  t.notOk(existsSync(dataSocket));
});

t.test("where its socket cannot be, a replica does not serve, and says why", async (t) => {
  const home = new Home(t);
  writeFileSync(join(home.root, "file"), "precious");
  await t.rejects(home.start({ dataSocket: join(home.root, "file") }), {
    message: /is there and is no socket/,
  });
  const long = join(home.root, "v".repeat(120));
  await t.rejects(home.start({ dataSocket: long }), { message: /has 1 to 107 bytes/ });
  t.equal(readFileSync(join(home.root, "file"), "latin1"), "precious");
});
