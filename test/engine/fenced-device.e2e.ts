/** An engine that was fenced takes its device away: nobody else would. */
import { existsSync } from "node:fs";
import t from "tap";
import { EXIT } from "../../engine/exit-codes.js";
import { Initiator } from "../tools/initiator/initiator.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { LonghornCluster } from "./longhorn-cluster.js";

const MIB = 1 << 20;
const SIZE = 8 * MIB;

t.test("an engine that was fenced leaves no session, no record, and no device", async (t) => {
  const initiator = await Initiator.make();
  t.teardown(() => initiator.end());
  const cluster = new LonghornCluster(SIZE);
  t.teardown(() => cluster.end());
  const nodes = [await cluster.addNode(), await cluster.addNode()];
  cluster.frontend = { flags: ["--frontend", "tgt-blockdev"], env: initiator.environment() };
  cluster.engineFlags = ["--engine-id", "first"];
  const engine = await cluster.startEngine(nodes);
  const { endpoint } = await engine.client.get();
  t.equal(initiator.sessions().length, 1);
  t.ok(existsSync(endpoint));

  cluster.frontend = null;
  cluster.engineFlags = ["--engine-id", "second", "--resume-from", "first"];
  const next = await cluster.startEngine(nodes);
  t.equal(await engine.process.ended, EXIT.FENCED.code);
  t.strictSame(initiator.sessions(), []);
  t.strictSame(initiator.records(), []);
  t.notOk(existsSync(endpoint));
  const io = await IscsiIo.connect(next.iscsi);
  t.teardown(() => io.kill());
  await io.write(0, MIB, 1);
});
