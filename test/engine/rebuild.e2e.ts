/** A replica is added to a volume that is written to: by Longhorn's command line, through whatever dies on the way. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { snapshotName } from "../../engine/client/snapshots.js";
import { viewsOf } from "./chain-views.js";
import { LonghornCluster, type Engine, type Node } from "./longhorn-cluster.js";
import { SectorLoad } from "./sector-load.js";

const MIB = 1 << 20;
const SIZE = 48 * MIB;

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
  await load.fill(0, 30);
  await snapshot(engine, "one");
  load.start();
  await load.progress(200);
  await snapshot(engine, "two");
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
    chain.map(snapshotName).filter((name) => ["one", "two", "three"].includes(name)),
    ["three", "two", "one"],
  );
  await sameAtRest(t, { cluster, load }, engine, [first, added]);
});
