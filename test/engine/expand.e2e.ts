/** A volume grows while it is used: by real replicas, and under a session that stays. */
import { existsSync, mkdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { removeReplica } from "../../engine/client/rebuild.js";
import { ReplicaService } from "../../proto/longhorn.js";
import { unaryClient } from "../../proto/unary.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { waitFor } from "../tools/process.js";
import { viewsOf } from "./chain-views.js";
import { LonghornCluster, type Engine } from "./longhorn-cluster.js";

const MIB = 1 << 20;
const SIZE = 8 * MIB;
const WAIT_MS = 60_000;

async function expand({ client }: Engine, size: number): Promise<void> {
  await client.engine.call("expand", (calls, options) => calls.volumeExpand({ size }, options));
  await waitFor("the expansion to end", WAIT_MS, async () =>
    (await client.get()).isExpanding ? undefined : true,
  );
}

t.test("a session sees the volume grow, several times, and loses nothing", async (t) => {
  const cluster = new LonghornCluster(SIZE);
  t.teardown(() => cluster.end());
  const nodes = [await cluster.addNode(), await cluster.addNode()];
  const engine = await cluster.startEngine(nodes);
  const io = await IscsiIo.connect(engine.iscsi);
  t.teardown(() => io.kill());
  await io.write(SIZE - MIB, MIB, 1);
  for (const times of [2, 3, 4]) {
    const size = times * SIZE;
    await expand(engine, size);
    t.match(await engine.client.get(), { size, lastExpansionError: "" });
    await t.rejects(io.read(0, 512), { message: /CAPACITY_DATA_HAS_CHANGED/ }, "told once");
    await io.write(size - MIB, MIB, times);
  }
  // The last MiB of what it has become each time, and nothing before that.
  const held = async (reader: IscsiIo) => {
    for (const times of [1, 2, 3, 4]) {
      const end = times * SIZE;
      t.strictSame(await reader.read(end - MIB, MIB), [{ version: times, sectors: MIB / 512 }]);
      t.strictSame(await reader.read(end - 2 * MIB, MIB), [{ version: 0, sectors: MIB / 512 }]);
    }
  };
  await held(io);
  io.kill();
  await cluster.stop(engine.process);
  const again = await cluster.startEngine(nodes, undefined, String(4 * SIZE));
  t.equal(await cluster.modes(again), "RW RW");
  const after = await IscsiIo.connect(again.iscsi);
  t.teardown(() => after.kill());
  await held(after);
  after.kill();
  await cluster.stop(again.process);
  for (const node of nodes) await cluster.stop(node.process);
  const [first, second] = await Promise.all(nodes.map(({ directory }) => viewsOf(directory)));
  t.strictSame(first, second);
  const snapshot = join(nodes[0]?.directory ?? "", `volume-snap-expand-${2 * SIZE}.img`);
  t.equal((await stat(snapshot)).size, SIZE);
});

t.test(
  "where no copy can grow all stays as it was; where one cannot, the volume grows without it",
  async (t) => {
    const cluster = new LonghornCluster(SIZE);
    t.teardown(() => cluster.end());
    const nodes = [await cluster.addNode(), await cluster.addNode()] as const;
    const engine = await cluster.startEngine([...nodes]);
    // As Longhorn's integration suite has it.
    const inTheWay = nodes.map(({ directory }) =>
      join(directory, `volume-snap-expand-${2 * SIZE}.img.meta.tmp`),
    );
    for (const path of inTheWay) mkdirSync(path);
    await expand(engine, 2 * SIZE);
    t.match(await engine.client.get(), {
      size: SIZE,
      lastExpansionError: /since all replica expansion failed: .*FunctionFailedRollbackSucceeded/,
    });
    t.equal(await cluster.modes(engine), "RW RW");
    for (const path of inTheWay) t.notOk(existsSync(path), "it is gone, and nothing is in the way any more");
    mkdirSync(join(inTheWay[1] ?? "", "something"), { recursive: true });
    await expand(engine, 2 * SIZE);
    t.match(await engine.client.get(), {
      size: 2 * SIZE,
      lastExpansionError: /succeeded, but some replica expansion failed/,
    });
    t.equal(await cluster.modes(engine), "RW ERR");
  },
);

t.test("one copy grew, and everything ended: the volume starts from the other", async (t) => {
  const cluster = new LonghornCluster(SIZE);
  t.teardown(() => cluster.end());
  const nodes = [await cluster.addNode(), await cluster.addNode()] as const;
  const engine = await cluster.startEngine(nodes);
  const io = await IscsiIo.connect(engine.iscsi);
  t.teardown(() => io.kill());
  await io.write(0, MIB, 1);
  io.kill();
  await cluster.stop(engine.process);
  const { calls, close } = unaryClient(ReplicaService, nodes[1].address.slice("tcp://".length));
  t.teardown(close);
  const options = { timeoutMs: WAIT_MS };
  await calls.replicaOpen({}, options);
  await calls.replicaExpand({ size: 2 * SIZE }, options);
  await calls.replicaClose({}, options);

  const again = await cluster.startEngine(nodes);
  t.equal(await cluster.modes(again), "RW ERR");
  t.match(await calls.replicaGet({}, options), { replica: { state: "closed", size: String(2 * SIZE) } });
  const after = await IscsiIo.connect(again.iscsi);
  t.teardown(() => after.kill());
  t.strictSame(await after.read(0, MIB), [{ version: 1, sectors: MIB / 512 }]);
  await after.write(MIB, MIB, 2);
  await removeReplica(again.client, nodes[1].address);
  await expand(again, 2 * SIZE);
  cluster.size = 2 * SIZE;
  await cluster.add(again, nodes[1]);
  t.equal(await cluster.modes(again), "RW RW");
  after.kill();
  const { engine: controller } = again.client;
  await controller.call("stop", (engineCalls, call) => engineCalls.volumeShutdown({}, call));
  const whole = {
    size: 2 * SIZE,
    currentSize: 2 * SIZE,
    replicaAddresses: nodes.map(({ address }) => address),
  };
  await controller.call("start", (engineCalls, call) => engineCalls.volumeStart(whole, call));
  t.equal(await cluster.modes(again), "RW RW", "what was left out once is not for ever");
  await cluster.stop(again.process);
  for (const node of nodes) await cluster.stop(node.process);
  const [first, second] = await Promise.all(nodes.map(({ directory }) => viewsOf(directory)));
  t.strictSame(first, second);
});

for (const [title, isWhole] of [
  ["an engine that crashed after the volume grew, and is started as before, serves the whole of it", true],
  ["one that crashed when one copy had grown has the other one grow as well", false],
] as const)
  t.test(title, async (t) => {
    const cluster = new LonghornCluster(SIZE);
    t.teardown(() => cluster.end());
    const nodes = [await cluster.addNode(), await cluster.addNode()] as const;
    cluster.engineFlags = ["--engine-id", "first"];
    const engine = await cluster.startEngine(nodes);
    const io = await IscsiIo.connect(engine.iscsi);
    t.teardown(() => io.kill());
    await io.write(0, MIB, 1);
    if (isWhole) {
      await expand(engine, 2 * SIZE);
      await t.rejects(io.read(0, 512), { message: /CAPACITY_DATA_HAS_CHANGED/ });
      await io.write(2 * SIZE - MIB, MIB, 2);
    }
    await cluster.kill(engine.process);
    const { calls, close } = unaryClient(ReplicaService, nodes[1].address.slice("tcp://".length));
    t.teardown(close);
    if (!isWhole) await calls.replicaExpand({ size: 2 * SIZE }, { timeoutMs: WAIT_MS });

    cluster.engineFlags = ["--engine-id", "second", "--resume-from", "first"];
    const again = await cluster.startEngine(nodes);
    t.match(await again.client.get(), { size: 2 * SIZE });
    t.equal(await cluster.modes(again), "RW RW");
    const after = await IscsiIo.connect(again.iscsi);
    t.teardown(() => after.kill());
    t.strictSame(await after.read(0, MIB), [{ version: 1, sectors: MIB / 512 }]);
    const end = [{ version: isWhole ? 2 : 0, sectors: MIB / 512 }];
    t.strictSame(await after.read(2 * SIZE - MIB, MIB), end);
    await after.write(2 * SIZE - 2 * MIB, MIB, 3);
    after.kill();
    await cluster.stop(again.process);
    for (const node of nodes) await cluster.stop(node.process);
    const [first, second] = await Promise.all(nodes.map(({ directory }) => viewsOf(directory)));
    t.strictSame(first, second);
  });
