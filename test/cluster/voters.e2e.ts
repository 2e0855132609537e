/** Three nodes with a copy each: whichever of them is lost, the volume is used elsewhere, and so it is after the node is back, or a voter
 * has lost what it had. */
import { rmSync } from "node:fs";
import t from "tap";
import { waitFor } from "../tools/process.js";
import { Cluster, directoriesOn, type ClusterNode } from "./cluster.js";
import { GIB, STEP_MS } from "./limits.js";
import { Workload } from "./workload.js";

const NAME = "vol-1";
const COPIES = 3;
/** what has to happen by itself takes up to two minutes on a busy machine */
const WAIT_MS = 2 * STEP_MS;

const votersOn = (node: ClusterNode) => directoriesOn(node, NAME).witnesses;

t.test("with as many copies as nodes, the node with the engine is lost", async (t) => {
  const cluster = await Cluster.start(t, COPIES);
  const { client, nodes } = cluster;
  const whole = (where: string) =>
    waitFor(`three copies and a witness ${where}`, WAIT_MS, async () => {
      const volume = await client.get("volumes", NAME);
      const isWitnessed = volume?.conditions["Witnessed"]?.status === "True";
      return volume?.robustness === "healthy" && isWitnessed ? true : undefined;
    });
  await client.create("volumes", {
    name: NAME,
    size: String(GIB),
    frontend: "iscsi",
    numberOfReplicas: COPIES,
  });
  const workload = new Workload(() => client, NAME, GIB, 1);
  t.teardown(() => workload.kill());
  await waitFor("copies", WAIT_MS, async () =>
    (await client.get("volumes", NAME))?.replicas.length === COPIES ? true : undefined,
  );
  const [first, second, third] = nodes;
  if (first === undefined || second === undefined || third === undefined) throw new Error("three nodes");
  await workload.begin(first.name);
  await whole("at first");

  for (const [lost, next] of [
    [first, second],
    [second, third],
  ] as const) {
    await cluster.plug(lost, false);
    await cluster.untilReady(COPIES - 1);
    await workload.abandon();
    await workload.begin(next.name);
    await workload.pause();
    await workload.verify();
    await cluster.plug(lost, true);
    await whole(`after ${lost.name} was away`);
    workload.resume();
  }
  const before = nodes.flatMap(votersOn);
  t.equal(before.length, COPIES);
  await cluster.powerOff(first);
  for (const directory of votersOn(first)) rmSync(directory, { recursive: true });
  await cluster.powerOn(first);
  await waitFor("other voters", WAIT_MS, () => {
    const voters = nodes.flatMap(votersOn);
    return voters.length === COPIES && !voters.some((one) => before.includes(one)) ? true : undefined;
  });
  await whole("after a voter was lost");
  t.ok(workload.operations > 0, "it was used all the time");
  await workload.end();
});
