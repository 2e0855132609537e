/** The nodes of all copies restart while the engine, on another one, stays: it waits for the last of them, and goes on. */
import t from "tap";
import { waitFor } from "../tools/process.js";
import { Cluster } from "./cluster.js";
import { GIB, NODES, STEP_MS } from "./limits.js";
import { Workload } from "./workload.js";

const NAME = "vol-1";

for (const copies of [1, 2])
  t.test(`${copies} copies, whose nodes restart at the same time`, async (t) => {
    const cluster = await Cluster.start(t, NODES);
    const { client, nodes } = cluster;
    await client.create("volumes", { name: NAME, size: String(GIB), frontend: "iscsi", numberOfReplicas: copies }); // prettier-ignore
    const workload = new Workload(() => client, NAME, GIB, 1);
    t.teardown(() => workload.kill());
    const hosts = (await waitFor("copies", STEP_MS, async () => {
      const { replicas = [] } = (await client.get("volumes", NAME)) ?? {};
      return replicas.length === copies ? replicas : undefined;
    })).map(({ hostId }) => hostId); // prettier-ignore
    const user = nodes.find(({ name }) => !hosts.includes(name));
    if (user === undefined) throw new Error("there is a copy on every node");
    await workload.begin(user.name);
    const healthy = () => waitFor("the volume to be healthy", 2 * STEP_MS, async () => (await client.get("volumes", NAME))?.robustness === "healthy" ? true : undefined); // prettier-ignore
    await healthy();
    const restarted = nodes.filter(({ name }) => hosts.includes(name));
    await Promise.all(restarted.map((node) => cluster.powerOff(node)));
    const before = workload.operations;
    await Promise.all(restarted.map((node) => cluster.powerOn(node)));
    await waitFor("operations to go on", 2 * STEP_MS, () => (workload.operations > before + 50 ? true : undefined)); // prettier-ignore
    await healthy();
    await workload.pause();
    await workload.verify();
    await workload.end();
  });
