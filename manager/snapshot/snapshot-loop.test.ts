import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { FINALIZER, type Resource } from "../objects/resource.js";
import { OperationError } from "../operations.js";
import { modify } from "../store/store.js";
import { LoopRig } from "../testing/loops.js";
import { ownLabels } from "../volume/objects.js";
import { snapshotName } from "./name.js";
import { startSnapshotLoop } from "./snapshot-loop.js";

const start = (t: Test, settings: Record<string, string> = {}) =>
  LoopRig.start(t, ({ store, engines, events, log }) => [startSnapshotLoop(store, engines, events, log)], settings); // prettier-ignore

function makeSnapshot({ store }: LoopRig, volume: string, name: string) {
  return store.create({ kind: "Snapshot", name, finalizers: [FINALIZER], labels: ownLabels(volume), spec: { volume, createSnapshot: true, labels: { why: "test" } } }); // prettier-ignore
}

/** With volume "vol", which is attached and has a snapshot "one". */
async function withSnapshot(t: Test): Promise<LoopRig> {
  const rig = await start(t);
  await rig.makeVolume("vol");
  await rig.attach("vol", "node-1");
  await makeSnapshot(rig, "vol", "one");
  await rig.until("Snapshot", "one", ({ status }) => status.readyToUse);
  return rig;
}

t.test(
  "an object that asks for a snapshot gets one, and one that an engine has gets an object",
  async (t) => {
    const rig = await start(t);
    await rig.makeVolume("vol");
    await rig.attach("vol", "node-1");
    await makeSnapshot(rig, "vol", "first");
    const first = await rig.until("Snapshot", "first", ({ status }) => status.readyToUse);
    t.match(first.status, { userCreated: true, markRemoved: false, error: "", restoreSize: 2 ** 30, size: 4096, labels: { why: "test" }, children: { "volume-head": true } }); // prettier-ignore
    const [engine] = await rig.store.list("Engine");
    if (engine === undefined) throw new Error("no engine");
    await rig.engines.createSnapshot(engine, "second", {});
    const second = await rig.until("Snapshot", "second", ({ status }) => status.readyToUse);
    t.match(second, { spec: { createSnapshot: false, volume: "vol" }, status: { parent: "first" }, metadata: { finalizers: [FINALIZER], labels: ownLabels("vol"), ownerReferences: [{ kind: "Volume", name: "vol" }] } }); // prettier-ignore
    await rig.until("Snapshot", "first", ({ status }) => status.children["second"] === true);
    t.equal(await rig.store.get("Snapshot", "volume-head"), null);
    t.ok(rig.told.includes("Snapshot first Create") && rig.told.includes("Snapshot second Create"));
    t.equal(rig.engines.asked.filter((one) => one.startsWith("createSnapshot")).length, 2);
    t.strictSame(await rig.tickets("vol"), ["user"], "a volume that is in use needs no ticket");
  },
);

t.test(
  "a detached volume is attached for a snapshot, and for its deletion, and detached again",
  async (t) => {
    const rig = await start(t);
    await rig.makeVolume("vol");
    for (const name of ["one", "two"]) {
      await makeSnapshot(rig, "vol", name);
      await rig.until("Snapshot", name, ({ status }) => status.readyToUse);
      await rig.until("Volume", "vol", ({ status }) => status.state === "detached");
    }
    await rig.store.delete("Snapshot", "one");
    await rig.untilGone("Snapshot", "one");
    await rig.until("Volume", "vol", ({ status }) => status.state === "detached");
    t.strictSame(await rig.tickets("vol"), []);
    t.ok(rig.told.includes("Snapshot one Delete"));
    const asked = rig.engines.asked.filter((one) => /delete|purge/.test(one));
    t.strictSame(asked, ["deleteSnapshot vol one", "purge vol"]);
  },
);

t.test("what is asked for while no node can take the volume is done when one can", async (t) => {
  const rig = await start(t);
  await rig.makeVolume("vol", { dataLocality: "strict-local", numberOfReplicas: 1 });
  await rig.attach("vol", "node-1");
  await rig.detach("vol");
  await rig.makeVolume("other");
  /** Whatever was asked for before has been looked at. */
  const makeOther = async (name: string) => {
    await makeSnapshot(rig, "other", name);
    await rig.until("Snapshot", name, ({ status }) => status.readyToUse);
    await rig.until("Volume", "other", ({ status }) => status.state === "detached");
  };
  await rig.setReady("node-1", false);
  await makeSnapshot(rig, "vol", "one");
  await makeOther("first");
  t.strictSame(await rig.tickets("vol"), []);
  await rig.setReady("node-1", true);
  await rig.until("Snapshot", "one", ({ status }) => status.readyToUse);
  await rig.until("Volume", "vol", ({ status }) => status.state === "detached");
  await rig.setReady("node-1", false);
  await rig.store.delete("Snapshot", "one");
  await makeOther("second");
  t.strictSame(await rig.tickets("vol"), []);
  await rig.setReady("node-1", true);
  await rig.until("Snapshot", "one", ({ status }) => status.markRemoved);
});

t.test("a node that fails before it has begun with a snapshot has its place taken by another", async (t) => {
  const rig = await start(t);
  await rig.makeVolume("vol", { numberOfReplicas: 1 });
  await rig.attach("vol", "node-1");
  await rig.detach("vol");
  const [replica] = await rig.store.list("Replica", ownLabels("vol"));
  const home = replica?.spec.nodeID ?? "";
  await rig.setReady(home, false);
  await makeSnapshot(rig, "vol", "one");
  const isAwaitingCopy = ({ spec, status }: Resource<"Volume">) => status.state === "attaching" && spec.nodeID !== ""; // prettier-ignore
  const { spec } = await rig.until("Volume", "vol", isAwaitingCopy);
  t.not(spec.nodeID, home);
  await rig.setReady(spec.nodeID, false);
  await rig.setReady(home, true);
  await rig.until("Snapshot", "one", ({ status }) => status.readyToUse);
});

t.test("what is below the head stays, marked, until a newer one is taken", async (t) => {
  const rig = await withSnapshot(t);
  await rig.store.delete("Snapshot", "one");
  const marked = await rig.until("Snapshot", "one", ({ status }) => status.markRemoved);
  t.equal(marked.status.readyToUse, false);
  t.notOk(rig.engines.asked.includes("purge vol"), "a purge would change nothing");
  await rig.detach("vol");
  t.strictSame(await rig.tickets("vol"), [], "nor would an engine");
  await makeSnapshot(rig, "vol", "two");
  await rig.until("Snapshot", "two", ({ status }) => status.readyToUse);
  await rig.untilGone("Snapshot", "one");
});

t.test("while purges are switched off a deleted snapshot stays, marked", async (t) => {
  const settings = { "disable-snapshot-purge": "true", "auto-cleanup-system-generated-snapshot": "false" };
  const rig = await start(t, settings);
  await rig.makeVolume("vol");
  await rig.attach("vol", "node-1");
  for (const name of ["one", "two"]) {
    await makeSnapshot(rig, "vol", name);
    await rig.until("Snapshot", name, ({ status }) => status.readyToUse);
  }
  await rig.store.delete("Snapshot", "one");
  await rig.until("Snapshot", "one", ({ status }) => status.markRemoved);
  t.notOk(rig.engines.asked.includes("purge vol"));
  await rig.set("disable-snapshot-purge", "false");
  await rig.untilGone("Snapshot", "one");
});

t.test("what the system has made goes when all replicas are whole, if the setting says so", async (t) => {
  const rig = await start(t);
  await rig.makeVolume("vol");
  await rig.attach("vol", "node-1");
  const [engine] = await rig.store.list("Engine");
  if (engine === undefined) throw new Error("no engine");
  await rig.engines.createSnapshot(engine, "system", {});
  await rig.engines.createSnapshot(engine, "mine", {});
  await modify(rig.store, "Engine", engine.metadata.name, "status", ({ status }) => {
    Object.assign(status.snapshots["system"] ?? {}, { usercreated: false });
  });
  await rig.until("Engine", engine.metadata.name, ({ status }) => status.snapshots["system"] === undefined);
  await rig.untilGone("Snapshot", "system");
  t.match(await rig.need("Snapshot", "mine"), { status: { readyToUse: true } });
});

t.test(
  "snapshots of one name, and of a name that no object can have, have objects that do what they say",
  async (t) => {
    const rig = await start(t);
    for (const volume of ["one", "two"]) {
      await rig.makeVolume(volume);
      await rig.attach(volume, "node-1");
    }
    for (const engine of await rig.store.list("Engine"))
      for (const name of ["same", "No_Object", "last"]) await rig.engines.createSnapshot(engine, name, {});
    const named = async (volume: string) =>
      new Map((await rig.store.list("Snapshot", ownLabels(volume))).map((one) => [snapshotName(one), one]));
    const until = async (reached: () => Promise<boolean>) => {
      while (!(await reached())) await new Promise((resolve) => setImmediate(resolve));
    };
    for (const volume of ["one", "two"]) {
      await until(async () => (await named(volume)).size === 3);
      const all = await named(volume);
      t.strictSame([...all.keys()].sort(), ["No_Object", "last", "same"]);
      for (const { spec, status } of all.values())
        t.match([spec, status], [{ volume }, { readyToUse: true }]);
    }
    const both = (await rig.store.list("Snapshot")).filter((one) => snapshotName(one) === "same");
    t.strictSame(both.map(({ spec }) => spec.volume).sort(), ["one", "two"]);
    for (const { metadata } of both) await rig.store.delete("Snapshot", metadata.name);
    for (const volume of ["one", "two"]) await until(async () => !(await named(volume)).has("same"));
    const asked = rig.engines.asked.filter((one) => one.startsWith("delete"));
    t.strictSame(asked.sort(), ["deleteSnapshot one same", "deleteSnapshot two same"]);
  },
);

t.test("why a snapshot cannot be made is said, and what vanished with its engine's is removed", async (t) => {
  const rig = await start(t);
  await rig.makeVolume("vol");
  await rig.attach("vol", "node-1");
  rig.engines.failures.set("createSnapshot", new OperationError("REFUSED", "there are too many"));
  await makeSnapshot(rig, "vol", "one");
  const failed = await rig.until("Snapshot", "one", ({ status }) => status.error !== "");
  t.match(failed.status, { error: "there are too many", readyToUse: false });
  t.ok(rig.told.includes("Snapshot one Failed"));
  await makeSnapshot(rig, "vol", "two");
  await rig.until("Snapshot", "two", ({ status }) => status.readyToUse);
  await rig.until("Snapshot", "one", ({ status }) => status.readyToUse && status.error === "");
  const [engine] = await rig.store.list("Engine");
  await modify(rig.store, "Engine", engine?.metadata.name ?? "", "status", ({ status }) => {
    const head = status.snapshots["volume-head"];
    if (head !== undefined) status.snapshots = { "volume-head": { ...head, parent: "" } };
  });
  await rig.untilGone("Snapshot", "one");
  await rig.untilGone("Snapshot", "two");
});

t.test("while an engine waits for its last copy, no snapshot is taken for one that is gone", async (t) => {
  const rig = await withSnapshot(t);
  rig.engines.isWaiting = true;
  const before = rig.engines.lists;
  await makeSnapshot(rig, "vol", "two");
  while (rig.engines.lists === before) await sleep(10);
  await sleep(100);
  t.match(await rig.store.get("Snapshot", "one"), { metadata: { deletionTimestamp: "" } });
  rig.engines.isWaiting = false;
  await rig.until("Snapshot", "two", ({ status }) => status.readyToUse);
  t.match(await rig.store.get("Snapshot", "one"), { status: { readyToUse: true } });
});

t.test("snapshots go with their volume, whatever state they are in", async (t) => {
  const rig = await withSnapshot(t);
  await rig.store.delete("Snapshot", "one");
  await rig.store.delete("Volume", "vol");
  await rig.untilGone("Snapshot", "one");
  await rig.untilGone("Volume", "vol");
  t.ok(true);
});
