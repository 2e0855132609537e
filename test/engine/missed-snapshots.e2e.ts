/** A replica is away while snapshots are taken and removed: it comes back by itself, and is the same as the other in each. */
import t, { type Test } from "tap";
import { purgeStatus } from "../../engine/client/snapshots.js";
import { numbers } from "../tools/random.js";
import { waitFor } from "../tools/process.js";
import { viewsOf } from "./chain-views.js";
import { LonghornCluster, type Engine, type Node } from "./longhorn-cluster.js";
import { SectorLoad } from "./sector-load.js";

const MIB = 1 << 20;
const SIZE = 24 * MIB;
const FILLED_MIB = 16;
const WAIT_MS = 120_000;

/** So that files come for seconds. */
const SLOWLY = ["--sync-rate-limit", "4m"];

interface Scene {
  cluster: LonghornCluster;
  load: SectorLoad;
  engine: Engine;
  nodes: readonly [Node, Node];
  random: (below: number) => number;
}

/** A volume on two replicas under load, the second of which is killed. @param flags of the replicas */
async function withoutSecond(t: Test, snapshots: string[], flags: string[] = []): Promise<Scene> {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  t.comment(`SEED=${seed}`);
  const cluster = new LonghornCluster(SIZE);
  const load = new SectorLoad(SIZE / 512, seed);
  t.teardown(async () => {
    load.disconnect();
    await cluster.end();
  });
  const nodes = [await cluster.addNode(flags), await cluster.addNode(flags)] as const;
  const engine = await cluster.startEngine(nodes);
  await load.connect(engine.iscsi);
  await load.fill(0, FILLED_MIB);
  load.start();
  for (const name of snapshots) {
    await snapshot(engine, name);
    await load.progress(50);
  }
  await cluster.kill(nodes[1].process);
  const scene = { cluster, load, engine, nodes, random: numbers(seed) };
  await modes(scene, "RW ERR");
  await load.progress(100);
  return scene;
}

function snapshot({ client }: Engine, name: string) {
  return client.engine.call("snapshot", (calls, options) =>
    calls.volumeSnapshot({ name, labels: {} }, options),
  );
}

/** Longhorn's clients ask all replicas for that; here one is away. */
async function remove({ client }: Engine, { address }: Node, name: string): Promise<void> {
  await client.withReplica(address, (replica) =>
    replica.call("remove", (calls, options) => calls.diskMarkAsRemoved({ name }, options)),
  );
  await client.withSyncAgent(address, (agent) =>
    agent.call("purge", (calls, options) => calls.snapshotPurge({}, options)),
  );
  await waitFor("a snapshot to be purged", WAIT_MS, async () =>
    (await purgeStatus(client, address)).isPurging ? undefined : true,
  );
}

async function modes({ cluster, engine }: Scene, wanted: string): Promise<void> {
  await waitFor(`modes ${wanted}`, WAIT_MS, async () =>
    (await cluster.modes(engine)) === wanted ? true : undefined,
  );
}

/** Ends everything in order when both are copies again, and compares what is left. */
async function sameAtRest(t: Test, scene: Scene, snapshots: string[]): Promise<void> {
  const { cluster, load, engine, nodes } = scene;
  await modes(scene, "RW RW");
  await load.progress(50);
  await load.stop();
  t.strictSame(await load.mistakes(), []);
  load.disconnect();
  await cluster.stop(engine.process);
  for (const node of nodes) await cluster.stop(node.process);
  const [first, second] = await Promise.all(nodes.map(({ directory }) => viewsOf(directory)));
  t.strictSame(second, first);
  const names = ["head", ...snapshots.map((name) => `volume-snap-${name}.img`)];
  t.strictSame(Object.keys(first ?? {}).sort(), names.sort());
}

t.test(
  "snapshots that it missed come with what they hold, and those that it has stay as they are",
  async (t) => {
    const scene = await withoutSecond(t, ["a", "b"]);
    const { cluster, load, engine, nodes } = scene;
    await snapshot(engine, "c");
    await load.progress(100);
    await snapshot(engine, "d");
    await load.progress(100);
    await cluster.restart(nodes[1]);
    await sameAtRest(t, scene, ["a", "b", "c", "d"]);
    const output = nodes[1].process.output();
    t.match(output, /"file":"volume-snap-c.img"/);
    t.match(output, /"file":"volume-snap-d.img"/);
    t.match(engine.process.output(), /"method":"what changed since generation \d+"/);
  },
);

t.test("the volume's first snapshot was taken while it was away", async (t) => {
  const scene = await withoutSecond(t, []);
  await snapshot(scene.engine, "a");
  await scene.load.progress(100);
  await scene.cluster.restart(scene.nodes[1]);
  await sameAtRest(t, scene, ["a"]);
});

t.test("snapshots were removed, and others taken", async (t) => {
  const scene = await withoutSecond(t, ["a", "b", "c"]);
  const { cluster, load, engine, nodes } = scene;
  await snapshot(engine, "d");
  await load.progress(100);
  await remove(engine, nodes[0], "b");
  await load.progress(100);
  await cluster.restart(nodes[1]);
  await sameAtRest(t, scene, ["a", "c", "d"]);
});

t.test("snapshots were removed, and none was taken: all is looked at", async (t) => {
  const scene = await withoutSecond(t, ["a", "b", "c"]);
  const { cluster, engine, nodes } = scene;
  await remove(engine, nodes[0], "b");
  await cluster.restart(nodes[1]);
  await sameAtRest(t, scene, ["a", "c"]);
  t.match(engine.process.output(), /"method":"all data: no snapshot was taken while it was away/);
});

t.test(
  "the volume was reverted: what it was reverted from comes as well, and all is looked at",
  async (t) => {
    const { cluster, load, engine, nodes } = await withoutSecond(t, ["a", "b"]);
    await snapshot(engine, "c");
    await load.progress(100);
    await load.stop();
    t.strictSame(await load.mistakes(), []);
    load.disconnect();
    const { client } = engine;
    await client.engine.call("down", (calls, options) => calls.volumeFrontendShutdown({}, options));
    await client.engine.call("revert", (calls, options) => calls.volumeRevert({ name: "a" }, options));
    await cluster.restart(nodes[1]);
    await waitFor("both copies", WAIT_MS, async () =>
      (await cluster.modes(engine)) === "RW RW" ? true : undefined,
    );
    t.match(engine.process.output(), /"method":"all data: the volume was reverted while it was away"/);
    await cluster.stop(engine.process);
    for (const node of nodes) await cluster.stop(node.process);
    const [first, second] = await Promise.all(nodes.map(({ directory }) => viewsOf(directory)));
    t.strictSame(second, first);
    t.equal(second?.["head"], second?.["volume-snap-a.img"]);
    t.notSame(second?.["head"], second?.["volume-snap-c.img"]);
  },
);

t.test("it is killed again and again while its snapshots come", async (t) => {
  const scene = await withoutSecond(t, ["a"], SLOWLY);
  const { cluster, load, engine, nodes, random } = scene;
  await snapshot(engine, "b");
  await load.progress(50);
  for (let kills = 0; kills < 3; kills++) {
    await cluster.restart(nodes[1], SLOWLY);
    await new Promise((wake) => setTimeout(wake, random(2_000)));
    await cluster.kill(nodes[1].process);
    await modes(scene, "RW ERR");
  }
  await snapshot(engine, "c");
  await cluster.restart(nodes[1]);
  await sameAtRest(t, scene, ["a", "b", "c"]);
});

t.test("snapshots are taken while others come", async (t) => {
  const scene = await withoutSecond(t, ["a"], SLOWLY);
  const { cluster, load, engine, nodes } = scene;
  await snapshot(engine, "b");
  await load.progress(50);
  await cluster.restart(nodes[1]);
  await waitFor("files to come", WAIT_MS, () =>
    /"file":"volume-snap-b.img"|its snapshots/.test(engine.process.output()) ? true : undefined,
  );
  await snapshot(engine, "c");
  await load.progress(50);
  await sameAtRest(t, scene, ["a", "b", "c"]);
});
