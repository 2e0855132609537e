import t, { type Test } from "tap";
import { modify } from "../store/store.js";
import { GIB, LoopRig } from "../testing/loops.js";
import { ownLabels } from "./objects.js";

const start = (t: Test, settings: Record<string, string> = {}) => LoopRig.start(t, () => [], settings);

/** A volume that was written to, and is not used now. */
async function makeUsed(rig: LoopRig, spec: Parameters<LoopRig["makeVolume"]>[1] = {}): Promise<void> {
  await rig.makeVolume("vol", spec);
  await rig.attach("vol", "node-1");
  await rig.detach("vol");
}

const replicasOf = ({ store }: LoopRig) => store.list("Replica", ownLabels("vol"));

const isDetached = ({ status }: { status: { state: string } }) => status.state === "detached";

async function failOne(rig: LoopRig): Promise<string> {
  const [replica] = await replicasOf(rig);
  const name = replica?.metadata.name ?? "";
  await modify(rig.store, "Replica", name, "spec", ({ spec }) => {
    spec.failedAt = spec.lastFailedAt = new Date().toISOString();
  });
  return name;
}

t.test("a detached volume grows, and is detached again", async (t) => {
  const rig = await start(t);
  await makeUsed(rig);
  await modify(rig.store, "Volume", "vol", "spec", ({ spec }) => {
    spec.size = String(2 * GIB);
  });
  await rig.until("Engine", "vol-e-0", ({ status }) => status.currentSize === String(2 * GIB));
  await rig.until("Volume", "vol", (volume) => isDetached(volume) && !volume.status.expansionRequired);
  t.strictSame(await rig.tickets("vol"), []);
});

t.test("a detached volume leaves a node that is evicted, and no other copy is given up for it", async (t) => {
  const rig = await start(t);
  await makeUsed(rig);
  const [leaving, staying] = await replicasOf(rig);
  const from = leaving?.spec.nodeID ?? "";
  await modify(rig.store, "Node", from, "spec", ({ spec }) => {
    Object.assign(spec, { allowScheduling: false, evictionRequested: true });
  });
  await rig.untilGone("Replica", leaving?.metadata.name ?? "");
  await rig.until("Volume", "vol", isDetached);
  const replicas = await replicasOf(rig);
  t.equal(replicas.length, 2);
  t.ok(replicas.every(({ spec }) => spec.nodeID !== from && spec.healthyAt !== ""));
  t.ok(replicas.some(({ metadata }) => metadata.name === staying?.metadata.name));
  t.strictSame(await rig.tickets("vol"), []);
});

t.test("without another place an evicted volume stays detached, and it is told", async (t) => {
  const rig = await start(t);
  await makeUsed(rig, { numberOfReplicas: 3 });
  const attached = rig.told.length;
  await modify(rig.store, "Node", "node-1", "spec", ({ spec }) => {
    Object.assign(spec, { allowScheduling: false, evictionRequested: true });
  });
  const [first] = (await replicasOf(rig)).filter(({ spec }) => spec.nodeID === "node-1");
  await rig.until("Replica", first?.metadata.name ?? "", ({ spec }) => spec.evictionRequested);
  t.strictSame(await rig.tickets("vol"), []);
  while (!rig.told.includes("Volume vol EvictionFailed"))
    await new Promise((resolve) => setImmediate(resolve));
  const leaving = `Replica ${first?.metadata.name}`;
  t.strictSame([...new Set(rig.told.slice(attached))], [`${leaving} EvictionUserRequested`, "Volume vol EvictionFailed"]); // prettier-ignore
  await modify(rig.store, "Node", "node-1", "spec", ({ spec }) => {
    Object.assign(spec, { allowScheduling: true, evictionRequested: false });
  });
  while (!rig.told.includes(`${leaving} EvictionCanceled`))
    await new Promise((resolve) => setImmediate(resolve));
  t.equal(rig.told.filter((one) => one === `${leaving} EvictionUserRequested`).length, 1);
});

t.test("a detached volume gets its copies back if the setting, or the volume, says so", async (t) => {
  const rig = await start(t);
  await makeUsed(rig);
  const failed = await failOne(rig);
  await rig.until("Replica", failed, ({ spec }) => spec.failedAt !== "");
  t.strictSame(await rig.tickets("vol"), [], "not unless asked");
  await modify(rig.store, "Volume", "vol", "spec", ({ spec }) => {
    spec.offlineRebuilding = "enabled";
  });
  await rig.until("Replica", failed, ({ spec }) => spec.failedAt === "");
  await rig.until("Volume", "vol", isDetached);
  t.strictSame(await rig.tickets("vol"), []);
});

t.test("a volume that is being rebuilt for nobody makes way for somebody elsewhere", async (t) => {
  const rig = await start(t, { "offline-replica-rebuilding": '{"v1":"true","v2":"false"}' });
  await makeUsed(rig);
  rig.holdsRebuilds = true;
  const [lost] = await replicasOf(rig);
  await failOne(rig);
  await rig.store.delete("Replica", lost?.metadata.name ?? "");
  await rig.until("Engine", "vol-e-0", ({ status }) => Object.values(status.replicaModeMap).includes("WO"));
  const { status } = await rig.need("Volume", "vol");
  t.strictSame(await rig.tickets("vol"), ["volume-rebuilding-controller-vol"]);
  rig.holdsRebuilds = false;
  const elsewhere = status.currentNodeID === "node-3" ? "node-2" : "node-3";
  const attached = await rig.attach("vol", elsewhere);
  t.equal(attached.status.currentNodeID, elsewhere);
});

t.test(
  "a copy of a detached volume is removed by an engine, and another one made, if one is wanted",
  async (t) => {
    for (const wanted of [2, 1]) {
      const rig = await start(t);
      await makeUsed(rig);
      await modify(rig.store, "Volume", "vol", "spec", ({ spec }) => (spec.numberOfReplicas = wanted));
      const [going, staying] = (await replicasOf(rig)).map(({ metadata }) => metadata.name) as [
        string,
        string,
      ];
      const offered: string[][] = [];
      const end = rig.store.watch("Engine", {
        onChange: ({ object: { spec } }) => offered.push(Object.keys(spec.replicaAddressMap).sort()),
      });
      await rig.store.delete("Replica", going);
      await rig.untilGone("Replica", going);
      await rig.until("Volume", "vol", isDetached);
      end();
      t.strictSame(offered.find((names) => names.length > 0), [going, staying].sort(), "it is started with both"); // prettier-ignore
      t.strictSame(await rig.tickets("vol"), []);
      const left = await replicasOf(rig);
      t.equal(left.length, wanted);
      t.ok(left.every(({ spec }) => spec.healthyAt !== "" && spec.failedAt === ""));
      t.ok(left.some(({ metadata }) => metadata.name === staying));
    }
  },
);

t.test("a volume that lost all its replicas is faulted, whichever manager looks at it", async (t) => {
  const rig = await start(t);
  await makeUsed(rig);
  for (const { metadata } of await replicasOf(rig)) await rig.store.delete("Replica", metadata.name);
  await rig.until("Volume", "vol", ({ status }) => status.robustness === "faulted");
  t.strictSame(await replicasOf(rig), []);
  const { metadata } = await rig.need("Volume", "vol");
  t.match(metadata.annotations, { "aurochs.io/has-data": "true" }, "it is on record");
});

t.test("replicas that somebody names again end the fault of a volume", async (t) => {
  const rig = await start(t, { "auto-salvage": "false" });
  await makeUsed(rig);
  for (const { metadata } of await replicasOf(rig))
    await modify(rig.store, "Replica", metadata.name, "spec", ({ spec }) => {
      spec.failedAt = spec.lastFailedAt = new Date().toISOString();
    });
  await rig.until("Volume", "vol", ({ status }) => status.robustness === "faulted");
  const [chosen] = await replicasOf(rig);
  await modify(rig.store, "Replica", chosen?.metadata.name ?? "", "spec", ({ spec }) => {
    spec.failedAt = "";
  });
  await rig.until("Volume", "vol", ({ status }) => status.robustness === "unknown");
  t.ok(await rig.attach("vol", "node-1"));
});
