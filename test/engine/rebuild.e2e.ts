/** A replica is added to a volume that is written to: by Longhorn's command line, through whatever dies on the way. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { rebuildStatus } from "../../engine/client/rebuild.js";
import { snapshotName } from "../../engine/client/snapshots.js";
import { waitFor, type Daemon } from "../tools/process.js";
import { viewsOf } from "./chain-views.js";
import { LonghornCluster, type Engine, type Node } from "./longhorn-cluster.js";
import { SectorLoad } from "./sector-load.js";

const MIB = 1 << 20;
const SIZE = 24 * MIB;
const FILLED_MIB = 16;
const WAIT_MS = 120_000;

/** So that a rebuild is under way for seconds. */
const SLOWLY = ["--sync-rate-limit", "4m"];

interface Scene {
  cluster: LonghornCluster;
  load: SectorLoad;
}

async function scene(t: Test): Promise<Scene> {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  t.comment(`SEED=${seed}`);
  const cluster = new LonghornCluster(SIZE);
  const load = new SectorLoad(SIZE / 512, seed);
  t.teardown(async () => {
    load.disconnect();
    await cluster.end();
  });
  return { cluster, load };
}

function snapshot({ client }: Engine, name: string) {
  return client.engine.call("snapshot", (calls, options) =>
    calls.volumeSnapshot({ name, labels: {} }, options),
  );
}

/** Ends everything in order, and compares what is left. */
async function sameAtRest(t: Test, { cluster, load }: Scene, engine: Engine, nodes: Node[]): Promise<void> {
  load.disconnect();
  await cluster.stop(engine.process);
  for (const node of nodes) await cluster.stop(node.process);
  const [first, ...others] = await Promise.all(nodes.map(({ directory }) => viewsOf(directory)));
  for (const views of others) t.strictSame(views, first);
  const counters = nodes.map(({ directory }) =>
    readFileSync(join(directory, "revision.counter"), "latin1").replace(/\0+$/, ""),
  );
  t.equal(new Set(counters).size, 1, `counters ${counters.join(" ")}`);
}

t.test("a replica that is added under load is the same as the others, in every snapshot", async (t) => {
  const { cluster, load } = await scene(t);
  const first = await cluster.addNode();
  const engine = await cluster.startEngine([first]);
  await load.connect(engine.iscsi);
  await load.fill(0, FILLED_MIB);
  await snapshot(engine, "one");
  load.start();
  await load.progress(200);
  await snapshot(engine, "my-volume-head-2");
  await load.progress(200);
  const added = await cluster.addNode();
  await cluster.add(engine, added);
  await load.progress(200);
  t.equal(await cluster.modes(engine), "RW RW");
  await snapshot(engine, "three");
  await load.progress(100);
  await load.stop();
  t.strictSame(await load.mistakes(), []);
  const { chain } = await engine.client.replica(added.address);
  t.strictSame(
    chain.map(snapshotName).filter((name) => ["one", "my-volume-head-2", "three"].includes(name)),
    ["three", "my-volume-head-2", "one"],
  );
  await sameAtRest(t, { cluster, load }, engine, [first, added]);
});

/** Starts adding a replica and waits until some of it is there, and by no means all: files come slowly. */
async function addHalf({ cluster }: Scene, engine: Engine, node: Node): Promise<Daemon> {
  const adding = cluster.start(cluster.addArguments(engine, node));
  await waitFor("some of it to be copied", WAIT_MS, async () => {
    const { isRebuilding, progress } = await rebuildStatus(engine.client, node.address).catch(() => NOTHING);
    return isRebuilding && progress > 0 ? true : undefined;
  });
  return adding;
}

const NOTHING = { isRebuilding: false, progress: 0 };

/** A volume on `copies` replicas, filled, under load, with a snapshot; and a new replica. */
async function halfWay(t: Test, copies: number) {
  const all = await scene(t);
  const { cluster, load } = all;
  const nodes: Node[] = [];
  for (let i = 0; i < copies; i++) nodes.push(await cluster.addNode(SLOWLY));
  const engine = await cluster.startEngine(nodes);
  await load.connect(engine.iscsi);
  await load.fill(0, FILLED_MIB);
  await snapshot(engine, "one");
  load.start();
  await load.progress(50);
  const added = await cluster.addNode(SLOWLY);
  return { ...all, nodes, engine, added, adding: await addHalf(all, engine, added) };
}

t.test("a replica that is killed while it is rebuilt is let go, and goes on where it was", async (t) => {
  const { cluster, load, nodes, engine, added, adding } = await halfWay(t, 1);
  await cluster.kill(added.process);
  t.not(await adding.ended, 0);
  await load.progress(50);
  t.equal(await cluster.modes(engine), "RW ERR");
  await cluster.restart(added, SLOWLY);
  await cluster.add(engine, added);
  await load.progress(50);
  await load.stop();
  t.equal(await cluster.modes(engine), "RW RW");
  t.match(added.process.output(), /"reusedBytes":[1-9]/);
  t.strictSame(await load.mistakes(), []);
  await sameAtRest(t, { cluster, load }, engine, [...nodes, added]);
});

t.test("whoever adds a replica may go away: the next one takes over", async (t) => {
  const { cluster, load, nodes, engine, added, adding } = await halfWay(t, 1);
  await cluster.kill(adding);
  await load.progress(50);
  t.equal(await cluster.modes(engine), "RW WO");
  await cluster.add(engine, added);
  await load.progress(50);
  await load.stop();
  t.equal(await cluster.modes(engine), "RW RW");
  // The agents were told all the time how fast they may send, and said how much they had sent.
  const told = /"sentBytes":[1-9]\d+,.*"files were sent beside the volume's users"/;
  await waitFor("the engine to say so", WAIT_MS, () => told.test(engine.process.output()) || undefined);
  t.strictSame(await load.mistakes(), []);
  await sameAtRest(t, { cluster, load }, engine, [...nodes, added]);
});

t.test("when its source is killed, the rebuild goes on from another copy", async (t) => {
  const { cluster, load, nodes, engine, added, adding } = await halfWay(t, 2);
  const [first, second] = nodes;
  if (first === undefined || second === undefined) throw new Error("two copies");
  await cluster.kill(first.process);
  t.equal(await adding.ended, 0, adding.output());
  await load.progress(50);
  await load.stop();
  t.equal(await cluster.modes(engine), "ERR RW RW");
  t.strictSame(await load.mistakes(), []);
  await sameAtRest(t, { cluster, load }, engine, [second, added]);
});

t.test("snapshots that are taken meanwhile are the same in the end", async (t) => {
  const { cluster, load, nodes, engine, added, adding } = await halfWay(t, 2);
  for (const name of ["two", "three", "four"]) {
    t.equal(await cluster.modes(engine), "RW RW WO");
    await load.progress(50);
    await snapshot(engine, name);
  }
  await load.progress(50);
  t.equal(await adding.ended, 0, adding.output());
  await snapshot(engine, "five");
  await load.progress(50);
  await load.stop();
  t.equal(await cluster.modes(engine), "RW RW RW");
  t.strictSame(await load.mistakes(), []);
  const { chain } = await engine.client.replica(added.address);
  t.ok(["one", "two", "three", "four", "five"].every((name) => chain.map(snapshotName).includes(name)));
  await sameAtRest(t, { cluster, load }, engine, [...nodes, added]);
});

t.test("an engine that is killed leaves a half-made replica that nobody chooses", async (t) => {
  const { cluster, load, nodes, engine, added, adding } = await halfWay(t, 1);
  await load.stop();
  await cluster.kill(engine.process);
  await cluster.kill(adding);
  load.disconnect();
  // Its files go on coming, and it may look whole by its names.
  for (const node of [...nodes, added]) {
    await cluster.kill(node.process);
    await cluster.restart(node, SLOWLY);
  }
  const next = await cluster.startEngine([added, ...nodes]);
  t.equal(await cluster.modes(next), "ERR RW");
  await load.connect(next.iscsi);
  t.strictSame(await load.mistakes(), []);
  load.start();
  await load.progress(50);
  await cluster.add(next, added);
  await load.progress(50);
  await load.stop();
  t.equal(await cluster.modes(next), "RW RW");
  t.strictSame(await load.mistakes(), []);
  await sameAtRest(t, { cluster, load }, next, [...nodes, added]);
});
