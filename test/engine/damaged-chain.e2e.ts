/** A volume starts without a copy whose chain is damaged, and that copy knows afterwards that it is none. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { IscsiIo } from "../tools/iscsi-io.js";
import { LonghornCluster } from "./longhorn-cluster.js";

const SIZE = 16 << 20;
const HEAD_META = "volume-head-000.img.meta";

t.test("a start goes on with the good copy, and never takes the damaged one for current again", async (t) => {
  const cluster = new LonghornCluster(SIZE);
  t.teardown(() => cluster.end());
  const good = await cluster.addNode();
  const bad = await cluster.addNode();
  const nodes = [good, bad];
  const first = await cluster.startEngine(nodes);
  const io = await IscsiIo.connect(first.iscsi);
  await io.write(0, 4096, 7);
  await io.logout();
  // Nothing is agreed on at this end.
  await cluster.kill(first.process);
  for (const { process } of nodes) await cluster.kill(process);
  const meta = join(bad.directory, HEAD_META);
  const whole = readFileSync(meta, "utf8");
  writeFileSync(meta, whole.replace('"Parent":""', '"Parent":"volume-snap-gone.img"'));
  for (const node of nodes) await cluster.restart(node);

  const second = await cluster.startEngine(nodes);
  t.equal(await cluster.modes(second), "RW ERR");
  t.match(second.process.output(), /volume-snap-gone/);
  const again = await IscsiIo.connect(second.iscsi);
  await again.write(0, 4096, 8);
  await again.flush();
  await again.logout();
  await cluster.stop(second.process);

  // Whole again, it still holds what was overwritten since: nothing starts from it alone.
  for (const { process } of nodes) await cluster.stop(process);
  writeFileSync(meta, whole);
  await cluster.restart(bad);
  await t.rejects(cluster.startEngine([bad]));
});
