/** A copy of a volume that nobody uses is removed: the others are used on every node, with all data, and another one is made. */
import t from "tap";
import type { Volume } from "../../rest-client/resources.js";
import { waitFor } from "../tools/process.js";
import { Cluster, directoriesOn } from "./cluster.js";
import { MIB, STEP_MS } from "./limits.js";
import { Workload } from "./workload.js";

const NAME = "vol";
const SIZE = 64 * MIB;
/** what has to happen by itself takes up to two minutes on a busy machine */
const WAIT_MS = 2 * STEP_MS;

for (const copies of [2, 3])
  t.test(`${copies} copies on ${copies} nodes`, async (t) => {
    const cluster = await Cluster.start(t, copies);
    const { client, nodes } = cluster;
    const until = (what: string, reached: (volume: Volume) => boolean) =>
      waitFor(`the volume to be ${what}`, WAIT_MS, async () => {
        const volume = await client.get("volumes", NAME);
        return volume !== null && reached(volume) ? volume : undefined;
      });
    const isDetached = ({ state }: Volume) => state === "detached";
    const workload = new Workload(() => cluster.client, NAME, SIZE, copies);
    t.teardown(() => workload.kill());

    /** Reads all, and writes for a moment, with as many copies as are wanted. */
    const use = async (node: string) => {
      await workload.begin(node);
      await until("healthy", ({ robustness }) => robustness === "healthy");
      const before = workload.operations;
      await waitFor("some operations", STEP_MS, () => (workload.operations > before + 50 ? true : undefined));
      await workload.pause();
      await workload.verify();
      await workload.end();
      return until("detached", isDetached);
    };

    await client.create("volumes", { name: NAME, size: String(SIZE), frontend: "iscsi", numberOfReplicas: copies }); // prettier-ignore
    await until("detached, with copies", (volume) => isDetached(volume) && volume.replicas.length === copies);
    let volume = await use(nodes[0]?.name ?? "");
    for (const { name } of nodes) {
      const removed = volume.replicas.find(({ hostId }) => hostId === name);
      if (removed === undefined) throw new Error(`there is no copy on ${name}`);
      await client.act("volumes", NAME, "replicaRemove", { name: removed.name });
      volume = await until(`detached, without ${removed.name}`, ({ state, replicas }) => {
        const isGone = !replicas.some((one) => one.name === removed.name);
        const whole = replicas.filter(({ failedAt, dataPath }) => failedAt === "" && dataPath !== "");
        return state === "detached" && isGone && whole.length === copies;
      });
      const directories = nodes.flatMap((node) => directoriesOn(node, NAME).copies);
      t.strictSame(volume.replicas.map(({ dataPath }) => dataPath).sort(), directories.sort(), "there are no others"); // prettier-ignore
      for (const node of nodes) volume = await use(node.name);
    }
    const [removed] = volume.replicas;
    await client.act("volumes", NAME, "replicaRemove", { name: removed?.name ?? "" });
    await until("attached for that", ({ state }) => state !== "detached");
    for (const node of nodes) volume = await use(node.name);
    t.notOk(volume.replicas.some(({ name }) => name === removed?.name), "also when somebody wants it elsewhere meanwhile"); // prettier-ignore
  });
