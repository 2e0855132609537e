/** Some kills, for every day; `test/cluster/run kills 300` is the long way. */
import t from "tap";
import { startKills } from "./kills.js";

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);

t.test(`seed ${seed}`, async (t) => {
  const kills = await startKills(t, seed);
  await kills.run(25);
  t.comment(kills.summary());
  t.ok(kills.lives > 0, `${kills.lives} volumes came and went`);
  t.ok(kills.csi.lives > 0, `and ${kills.csi.lives} by CSI`);
  t.ok(kills.killed.drivers > 0, `whose driver was killed ${kills.killed.drivers} times`);
});
