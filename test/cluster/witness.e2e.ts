/** A volume whose witness has moved while it was used can do without the node that it is used on. */
import t from "tap";
import { waitFor } from "../tools/process.js";
import { Cluster, directoriesOn, type ClusterNode } from "./cluster.js";
import { GIB, NODES, STEP_MS } from "./limits.js";
import { Workload } from "./workload.js";

const NAME = "vol-1";

const witnessOn = (node: ClusterNode) => directoriesOn(node, NAME).witnesses.length > 0;

t.test("the witness leaves a node that is emptied, and the node with the engine is lost", async (t) => {
  const cluster = await Cluster.start(t, NODES);
  const { client, nodes } = cluster;
  const volume = async () => {
    const found = await client.get("volumes", NAME);
    if (found === null) throw new Error("the volume is gone");
    return found;
  };
  const counts = (where: string) =>
    waitFor(`the witness to count ${where}`, STEP_MS, async () => {
      const { conditions, robustness } = await volume();
      return robustness === "healthy" && conditions["Witnessed"]?.status === "True" ? true : undefined;
    });
  await client.create("volumes", { name: NAME, size: String(GIB), frontend: "iscsi" });
  const workload = new Workload(() => client, NAME, GIB, 1);
  t.teardown(() => workload.kill());
  const hosts = (await waitFor("copies", STEP_MS, async () => {
    const { replicas } = await volume();
    return replicas.length === 2 ? replicas : undefined;
  })).map(({ hostId }) => hostId); // prettier-ignore
  const used = nodes.find(({ name }) => name === hosts[0]);
  const other = nodes.find(({ name }) => name === hosts[1]);
  if (used === undefined || other === undefined) throw new Error("the copies are nowhere");
  await workload.begin(used.name);
  await counts("at first");

  const from = nodes.find(witnessOn);
  if (from === undefined) throw new Error("there is no witness");
  const node = await client.get("nodes", from.name);
  await client.update("nodes", from.name, { ...node, allowScheduling: false, evictionRequested: true });
  await waitFor("the witness to be elsewhere", STEP_MS, () => {
    const now = nodes.filter(witnessOn);
    return now.length === 1 && now[0] !== from ? true : undefined;
  });
  await counts("where it is now");

  await cluster.plug(used, false);
  await cluster.untilReady(nodes.length - 1);
  await workload.abandon();
  await workload.begin(other.name);
  await workload.pause();
  await workload.verify();
  t.ok(workload.operations > 0, "it was used all the time");
  await workload.end();
});
