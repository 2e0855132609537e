/** A disk that hangs under its replicas, with no error: volumes are served from their other copies, also elsewhere, it is not ready, and what is deleted
 * there is not waited for. When it goes on all is whole again. */
import t from "tap";
import type { Volume } from "../../rest-client/resources.js";
import { ForgetfulDisk } from "../powercut/forgetful-disk.js";
import { waitFor } from "../tools/process.js";
import { Cluster, conditionOf } from "./cluster.js";
import { MIB, STEP_MS } from "./limits.js";
import { Workload } from "./workload.js";

const NAME = "vol";
const DOOMED = "doomed";
const MOVED = "moved";
const SIZE = 64 * MIB;
const DISK = "slow";
const DISK_MIB = 1024;
/** what has to happen by itself takes up to two minutes on a busy machine */
const WAIT_MS = 2 * STEP_MS;

const disk = await ForgetfulDisk.make("ext4", DISK_MIB);
t.teardown(() => disk.remove());
const cluster = await Cluster.start(t, 3);
// Nobody ends while he waits for it.
t.teardown(() => disk.fail("none"));
const { client, nodes } = cluster;
const [hanging, second, third] = nodes;
if (hanging === undefined || second === undefined || third === undefined) throw new Error("three nodes");
const workload = new Workload(() => cluster.client, NAME, SIZE, 1);
t.teardown(() => workload.kill());

const until = (name: string, what: string, reached: (volume: Volume) => boolean) =>
  waitFor(`volume ${name} to be ${what}`, WAIT_MS, async () => {
    const volume = await client.get("volumes", name);
    return volume !== null && reached(volume) ? volume : undefined;
  });

const untilDisk = (status: string) =>
  waitFor(`the disk to have Ready ${status}`, WAIT_MS, async () => {
    const { conditions } = (await client.get("nodes", hanging.name))?.disks?.[DISK] ?? {};
    return conditionOf(conditions ?? {}, "Ready") === status ? conditions : undefined;
  });

const wholeOn = ({ replicas }: Volume) =>
  replicas
    .filter(({ mode }) => mode === "RW")
    .map(({ hostId }) => hostId)
    .sort();

// The copies are on that disk and on the second node, and whoever uses them is on the third.
const { disks = {} } = (await client.get("nodes", hanging.name)) ?? {};
const cordoned = Object.entries(disks ?? {}).map(([name, one]) => [name, { ...one, allowScheduling: false }] as const); // prettier-ignore
const slow = { path: disk.mountPoint, allowScheduling: true, evictionRequested: false, tags: [], diskDriver: "", diskType: "filesystem", storageReserved: 0 }; // prettier-ignore
await client.act("nodes", hanging.name, "diskUpdate", { disks: { ...Object.fromEntries(cordoned), [DISK]: slow } }); // prettier-ignore
await untilDisk("True");
await client.update("nodes", third.name, { ...(await client.get("nodes", third.name)), allowScheduling: false }); // prettier-ignore
for (const name of [NAME, DOOMED, MOVED]) {
  await client.create("volumes", { name, size: String(SIZE), frontend: "iscsi", numberOfReplicas: 2 });
  await until(name, "made", ({ state, replicas }) => state === "detached" && replicas.length === 2);
}
await client.act("volumes", MOVED, "attach", { hostId: third.name, attachmentID: "test" });
await until(MOVED, "healthy", ({ robustness }) => robustness === "healthy");
await workload.begin(third.name);
await until(NAME, "healthy", ({ robustness }) => robustness === "healthy");

t.test("it hangs: the volume goes on with its other copy, and the disk is not ready", async (t) => {
  disk.fail("hang");
  const volume = await until(NAME, "degraded", ({ robustness }) => robustness === "degraded");
  t.notOk(wholeOn(volume).includes(hanging.name));
  const before = workload.operations;
  await waitFor("operations to go on", STEP_MS, () => (workload.operations > before + 50 ? true : undefined));
  t.match(await untilDisk("False"), { Ready: { reason: "NoDiskInfo", message: /does not answer/ } });
  t.equal(conditionOf((await client.get("nodes", hanging.name))?.conditions, "Ready"), "True");
  workload.check();
});

t.test("a volume that has a copy there is deleted all the same", async (t) => {
  await client.delete("volumes", DOOMED);
  await waitFor("the volume to be gone", WAIT_MS, async () =>
    (await client.get("volumes", DOOMED)) === null ? true : undefined,
  );
  const events = await client.list("events");
  const left = new RegExp(`${disk.mountPoint}/replicas/${DOOMED}-\\S+ is left behind`);
  t.ok(events.some(({ event }) => event.reason === "FailedDeleting" && left.test(event.message)));
});

t.test("one that is used is detached, and attached elsewhere, with its other copy", async (t) => {
  await client.act("volumes", MOVED, "detach", { attachmentID: "test" });
  await until(MOVED, "detached", ({ state }) => state === "detached");
  await client.act("volumes", MOVED, "attach", { hostId: second.name, attachmentID: "test" });
  const volume = await until(MOVED, "attached", ({ state }) => state === "attached");
  t.equal(volume.robustness, "degraded");
  t.strictSame(wholeOn(volume), [second.name]);
});

t.test("it goes on: the volume is whole again, with all data", async (t) => {
  disk.fail("none");
  await untilDisk("True");
  const volume = await until(NAME, "healthy", ({ robustness }) => robustness === "healthy");
  t.equal(wholeOn(volume).length, 2);
  await until(MOVED, "healthy", ({ robustness }) => robustness === "healthy");
  await workload.pause();
  await workload.verify();
  await workload.end();
});
