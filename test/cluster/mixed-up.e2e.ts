/** A manager that is told each node's address for the other one's: nothing that runs is touched, and it says so. */
import t from "tap";
import { waitFor } from "../tools/process.js";
import { Cluster } from "./cluster.js";
import { MIB, STEP_MS } from "./limits.js";
import { Workload } from "./workload.js";

const NAME = "vol-1";
const SIZE = 64 * MIB;

const cluster = await Cluster.start(t, 2);
const workload = new Workload(() => cluster.client, NAME, SIZE, 1);
t.teardown(() => workload.kill());
const [first, second] = cluster.nodes;
if (first === undefined || second === undefined) throw new Error("there are no nodes");

const healthy = () =>
  waitFor("the volume to be healthy", STEP_MS, async () =>
    (await cluster.client.get("volumes", NAME))?.robustness === "healthy" ? true : undefined,
  );
const running = async () => (await Promise.all(cluster.nodes.map((node) => cluster.pids(node)))).map((pids) => pids.sort()); // prettier-ignore

t.test("what runs goes on, and both nodes are not ready", async (t) => {
  await cluster.client.create("volumes", { name: NAME, size: String(SIZE), frontend: "iscsi", numberOfReplicas: 2 }); // prettier-ignore
  await workload.begin(first.name);
  await healthy();
  const before = await running();
  await cluster.killManager();
  await cluster.startManager((node) => (node === first ? second : first).address);
  for (const [node, other] of [
    [first, second],
    [second, first],
  ] as const) {
    const message = await waitFor(`${node.name} not to be ready`, STEP_MS, async () => {
      const { Ready } = ((await cluster.client.get("nodes", node.name))?.conditions ?? {}) as Record<string, { status: string; message: string }>; // prettier-ignore
      return Ready?.status === "False" ? Ready.message : undefined;
    });
    t.match(message, `is not that of node ${node.name}: it has a disk of node ${other.name}`);
  }
  t.strictSame(await running(), before);
  workload.check();
});

t.test("told the right ones, it goes on as before", async (t) => {
  const before = await running();
  await cluster.killManager();
  await cluster.startManager();
  await cluster.untilReady(2);
  await healthy();
  t.strictSame(await running(), before);
  await workload.pause();
  await workload.verify();
  await workload.end();
});
