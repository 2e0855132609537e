/** Some kills, for every day; `test/cluster/run kills 300` is the long way. */
import t from "tap";
import { Cluster } from "./cluster.js";
import { Kills } from "./kills.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

t.test(`seed ${seed}`, async (t) => {
  const cluster = await Cluster.start(t, 3);
  const kills = new Kills(cluster, seed);
  t.teardown(() => kills.kill());
  await kills.run(25);
  t.ok(kills.lives > 1, `${kills.lives} volumes came and went`);
});
