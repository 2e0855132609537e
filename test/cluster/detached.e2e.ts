/** What has to be done about a volume that nobody uses is done by itself, and leaves it detached: it grows, and leaves nodes and disks. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { Volume } from "../../rest-client/resources.js";
import { headContent } from "../engine/chain-views.js";
import { waitFor } from "../tools/process.js";
import { Cluster, directoriesOn, type ClusterNode } from "./cluster.js";
import { MIB, STEP_MS } from "./limits.js";
import { Workload } from "./workload.js";

const COPIES = 2;
const SIZE = 64 * MIB;
const LARGER = 160 * MIB;
const LARGEST = 192 * MIB;
const NAME = "idle";

const cluster = await Cluster.start(t, 4);
const { client } = cluster;
const workload = new Workload(() => cluster.client, NAME, SIZE, 1);
t.teardown(() => workload.kill());

async function until(what: string, reached: (volume: Volume) => boolean): Promise<Volume> {
  return waitFor(`the volume to be ${what}`, 2 * STEP_MS, async () => {
    const volume = await client.get("volumes", NAME);
    return volume !== null && reached(volume) ? volume : undefined;
  });
}

const isDetached = ({ state }: Volume) => state === "detached";
const isOf = ({ controllers }: Volume, bytes: number) => controllers?.[0]?.size === String(bytes);

/** Reads all, goes on for a moment, and leaves the volume detached. */
async function use({ name }: ClusterNode): Promise<void> {
  const before = workload.operations;
  await workload.begin(name);
  await waitFor("some operations", STEP_MS, () => (workload.operations > before + 50 ? true : undefined));
  await workload.pause();
  await workload.verify();
  await workload.end();
  await until("detached", isDetached);
}

const directoriesOf = (node: ClusterNode) => directoriesOn(node, NAME).copies;

/** That both copies hold the same, and are as large as the volume. */
async function checkCopies(t: Test, bytes: number): Promise<void> {
  const copies = cluster.nodes.flatMap(directoriesOf).sort();
  const { replicas } = await until("detached", isDetached);
  t.strictSame(replicas.map(({ dataPath }) => dataPath).sort(), copies);
  const [one, other, ...more] = await Promise.all(copies.map(headContent));
  t.strictSame(more, [], "there are two");
  t.ok(one !== undefined && other !== undefined && one.equals(other), "they are equal");
  for (const copy of copies) {
    const { Head, Size } = JSON.parse(readFileSync(join(copy, "volume.meta"), "utf8")) as { Head: string; Size: number }; // prettier-ignore
    t.strictSame([Size, statSync(join(copy, Head)).size], [bytes, bytes]);
  }
}

/** Follows the volume until its copies are on other nodes than `from`, and it is detached again. */
async function untilLeft(t: Test, from: ClusterNode): Promise<void> {
  const whole = new Set((await until("detached", isDetached)).replicas.map(({ name }) => name));
  t.equal(whole.size, COPIES);
  let fewest = COPIES;
  await until(`detached, and gone from ${from.name}`, ({ state, replicas }) => {
    for (const { name, mode } of replicas) if (mode === "RW") whole.add(name);
    const present = replicas.filter(({ name, failedAt }) => failedAt === "" && whole.has(name));
    fewest = Math.min(fewest, present.length);
    const isGone = directoriesOf(from).length === 0;
    return state === "detached" && isGone && present.length === COPIES && replicas.length === COPIES;
  });
  t.equal(fewest, COPIES, "it never had fewer whole copies");
}

await client.create("volumes", { name: NAME, size: String(SIZE), frontend: "iscsi", numberOfReplicas: COPIES }); // prettier-ignore
const { replicas } = await until("detached, with copies", (volume) => isDetached(volume) && volume.replicas.length === COPIES); // prettier-ignore
const [first, second] = replicas.map(({ hostId }) => cluster.node(hostId));
if (first === undefined || second === undefined) throw new Error("the copies are nowhere");
await use(first);

t.test("it grows", async (t) => {
  await client.act("volumes", NAME, "expand", { size: String(LARGER) });
  const { size, controllers } = await until(
    "larger, and detached",
    (volume) => isDetached(volume) && isOf(volume, LARGER),
  );
  t.equal(size, String(LARGER));
  t.match(controllers, [{ isExpanding: false, lastExpansionError: "" }]);
  await checkCopies(t, LARGER);
  await use(second);
});

t.test("it leaves a node that is emptied", async (t) => {
  const node = await client.get("nodes", first.name);
  await client.update("nodes", first.name, { ...node, allowScheduling: false, evictionRequested: true });
  await untilLeft(t, first);
  await checkCopies(t, LARGER);
  await use(first);
  await client.update("nodes", first.name, { ...node, allowScheduling: true, evictionRequested: false });
});

t.test("it leaves a disk that is emptied", async (t) => {
  const node = await client.get("nodes", second.name);
  const disks = (isEmptied: boolean) =>
    Object.fromEntries(
      Object.entries(node?.disks ?? {}).map(([name, disk]) => [
        name,
        { ...disk, allowScheduling: !isEmptied, evictionRequested: isEmptied },
      ]),
    );
  await client.act("nodes", second.name, "diskUpdate", { disks: disks(true) });
  await untilLeft(t, second);
  await checkCopies(t, LARGER);
  await use(second);
  await client.act("nodes", second.name, "diskUpdate", { disks: disks(false) });
});

t.test("it grows while a copy is away, which gets what it lacks when it is back", async (t) => {
  const { replicas } = await until("detached", isDetached);
  const away = cluster.node(replicas[0]?.hostId ?? "");
  await cluster.powerOff(away);
  await cluster.untilReady(cluster.nodes.length - 1);
  await client.act("volumes", NAME, "expand", { size: String(LARGEST) });
  await until("larger, and detached", (volume) => isDetached(volume) && isOf(volume, LARGEST));
  await cluster.powerOn(away);
  await cluster.untilReady(cluster.nodes.length);
  await workload.begin(away.name);
  const { replicas: whole } = await until("healthy", ({ robustness }) => robustness === "healthy");
  t.strictSame(whole.map(({ name }) => name).sort(), replicas.map(({ name }) => name).sort());
  await workload.end();
  await until("detached", isDetached);
  await checkCopies(t, LARGEST);
  await use(away);
});
