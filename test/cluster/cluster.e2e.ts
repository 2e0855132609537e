/** A cluster's days, shortened: fewer volumes than the first users have. `test/cluster/run` is the long way. */
import t from "tap";
import { Cluster } from "./cluster.js";
import { Drill } from "./drill.js";
import { NODES, SOME_VOLUMES } from "./limits.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

t.test(`seed ${seed}`, async (t) => {
  const cluster = await Cluster.start(t, NODES);
  const drill = new Drill(cluster, SOME_VOLUMES, seed, (line) => t.comment(line));
  t.teardown(() => drill.kill());
  const [first, second, third] = cluster.nodes;
  if (first === undefined || second === undefined || third === undefined) throw new Error("too few nodes");
  await drill.begin();
  await drill.restart(first);
  await drill.unplug(second);
  await drill.fillDisk(third);
  await drill.end();
  t.ok(
    drill.steps.every(({ operations }) => operations > 0),
    "there was load all the time",
  );
});
