/** A disk that fails under its replicas, and comes back: whoever uses the volume notices nothing, and its copies are whole again elsewhere.
 * Whoever gives both up gets rid of them. */
import t from "tap";
import type { ItemOf } from "../../rest-client/resources.js";
import { waitFor } from "../tools/process.js";
import { Cluster, conditionOf, type ClusterNode } from "./cluster.js";
import { MIB, STEP_MS } from "./limits.js";
import { Workload } from "./workload.js";

const NAME = "vol-1";
const SIZE = 64 * MIB;
const COPIES = 2;

const cluster = await Cluster.start(t, COPIES + 1);
const { client } = cluster;
const workload = new Workload(() => cluster.client, NAME, SIZE, 1);
t.teardown(() => workload.kill());

type Volume = ItemOf<"volumes">;

const until = (what: string, reached: (volume: Volume) => boolean) =>
  waitFor(`the volume to be ${what}`, 2 * STEP_MS, async () => {
    const volume = await client.get("volumes", NAME);
    return volume !== null && reached(volume) ? volume : undefined;
  });

const wholeOn = ({ replicas }: Volume) =>
  replicas.filter(({ mode }) => mode === "RW").map(({ hostId }) => hostId);

const isHealthy = (volume: Volume) => volume.robustness === "healthy" && wholeOn(volume).length === COPIES;

async function diskOf({ name }: ClusterNode) {
  const [disk] = Object.values((await client.get("nodes", name))?.disks ?? {});
  if (disk === undefined) throw new Error(`${name} has no disk`);
  return disk;
}

const untilDisk = (node: ClusterNode, status: string) =>
  waitFor(`the disk of ${node.name} to have Ready ${status}`, STEP_MS, async () => {
    const disk = await diskOf(node);
    return conditionOf(disk.conditions, "Ready") === status ? disk : undefined;
  });

const told = async (reason: string, pattern: RegExp) =>
  (await client.list("events")).some(({ event }) => event.reason === reason && pattern.test(event.message));

await client.update("settings", "replica-replenishment-wait-interval", {
  ...(await client.get("settings", "replica-replenishment-wait-interval")),
  value: "5",
});
await client.create("volumes", { name: NAME, size: String(SIZE), frontend: "iscsi", numberOfReplicas: COPIES }); // prettier-ignore
const made = await until("made", ({ state, replicas }) => state === "detached" && replicas.length === COPIES);
const [staying, failing] = made.replicas.map(({ hostId }) => cluster.node(hostId));
if (staying === undefined || failing === undefined) throw new Error("the copies are nowhere");
await workload.begin(staying.name);
await until("healthy", isHealthy);

t.test("a disk fails: it says why, and the volume is whole again without it", async (t) => {
  await cluster.breakDisk(failing);
  await until("degraded", ({ robustness }) => robustness === "degraded");
  const { conditions } = await untilDisk(failing, "False");
  t.match(conditions, { Ready: { reason: "NoDiskInfo", message: /EIO/ }, Schedulable: { status: "False", reason: "DiskNotReady" } }); // prettier-ignore
  t.ok(await told("Ready", new RegExp(`^disk \\S+ of node ${failing.name} is not ready: NoDiskInfo, .*EIO`)));
  const volume = await until("healthy", isHealthy);
  t.notOk(wholeOn(volume).includes(failing.name));
  workload.check();
});

t.test("it comes back as it was, and is used again", async (t) => {
  await cluster.mendDisk(failing);
  const { conditions } = await untilDisk(failing, "True");
  t.match(conditions, { Schedulable: { status: "True" } });
  t.ok(await told("Ready", new RegExp(`^disk \\S+ of node ${failing.name} is ready`)));
  await client.act("volumes", NAME, "updateReplicaCount", { replicaCount: COPIES + 1 });
  await until("on all nodes", (volume) => new Set(wholeOn(volume)).size === COPIES + 1);
  await workload.pause();
  await workload.verify();
  await workload.end();
});

t.test("it fails for good: the volume can be deleted all the same, and the disk be taken away", async (t) => {
  await cluster.breakDisk(failing);
  await untilDisk(failing, "False");
  await client.delete("volumes", NAME);
  await waitFor("the volume to be gone", 2 * STEP_MS, async () =>
    (await client.get("volumes", NAME)) === null ? true : undefined,
  );
  t.ok(
    await told(
      "FailedDeleting",
      new RegExp(`${failing.directory}/disk/replicas/${NAME}-\\S+ is left behind: .*EIO`),
    ),
  );
  const disks = (await client.get("nodes", failing.name))?.disks ?? {};
  const cordoned = Object.entries(disks).map(([name, disk]) => [name, { ...disk, allowScheduling: false }] as const); // prettier-ignore
  await client.act("nodes", failing.name, "diskUpdate", { disks: Object.fromEntries(cordoned) });
  await client.act("nodes", failing.name, "diskUpdate", { disks: {} });
});
