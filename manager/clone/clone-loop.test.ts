import t, { type Test } from "tap";
import { FINALIZER } from "../objects/resource.js";
import { OperationError } from "../operations.js";
import { startSnapshotLoop } from "../snapshot/snapshot-loop.js";
import { LoopRig } from "../testing/loops.js";
import { changeAttachment } from "../volume/work-tickets.js";
import { addTicket } from "../volume/attach.js";
import { ownLabels } from "../volume/objects.js";
import { startCloneLoop } from "./clone-loop.js";

const start = (t: Test) =>
  LoopRig.start(t, ({ store, engines, events, log }) => [
    startSnapshotLoop(store, engines, events, log),
    startCloneLoop(store, engines, events, log),
  ]);

const CLONE = { numberOfReplicas: 2, dataSource: "vol://from", cloneMode: "full-copy" } as const;

const isState =
  (state: string) =>
  ({ status }: { status: { cloneStatus: { state: string } } }) =>
    status.cloneStatus.state === state;

/** Copies end when what is returned is called. */
function holdCopies({ engines }: LoopRig): () => void {
  let release: () => void = () => undefined;
  engines.copying = new Promise((resolve) => (release = resolve));
  return release;
}

t.test(
  "a volume becomes a copy of a detached one; both are attached for it and left alone then",
  async (t) => {
    const rig = await start(t);
    await rig.makeVolume("from");
    await rig.makeVolume("to", CLONE);
    const done = await rig.until("Volume", "to", isState("completed"));
    t.match(done.status.cloneStatus, {
      sourceVolume: "from",
      snapshot: /^snap-[0-9a-f]{16}$/,
      attemptCount: 0,
    });
    for (const name of ["from", "to"]) {
      await rig.until("Volume", name, ({ status }) => status.state === "detached");
      t.strictSame(await rig.tickets(name), []);
    }
    const { snapshot } = done.status.cloneStatus;
    const [engine] = await rig.store.list("Engine", ownLabels("to"));
    t.equal(engine?.status.snapshots["volume-head"]?.parent, snapshot);
    t.match(await rig.need("Snapshot", snapshot), { spec: { volume: "from", labels: { "longhorn.io/for-cloning-volume": "to" } } }); // prettier-ignore
    t.equal((await rig.store.list("Replica", ownLabels("to"))).length, 2, "the others follow the first one");
    const reasons = rig.told.filter((one) => one.startsWith("Volume to VolumeClone")).map((one) => one.slice("Volume to ".length)); // prettier-ignore
    t.strictSame(reasons, ["VolumeCloneInitiated", "VolumeCloneCopyCompleteAwaitingHealthy", "VolumeCloneCompleted"]); // prettier-ignore
    const clone = (await rig.need("Volume", "to")).status.conditions.find(({ type }) => type === "Clone");
    t.match(clone, { status: "False", reason: "" });
  },
);

t.test("a copy that is given up lets its source go, of which no snapshot could be taken", async (t) => {
  const rig = await start(t);
  await rig.makeVolume("from");
  rig.engines.createSnapshot = () => Promise.reject(new OperationError("FAILED", "input/output error"));
  await rig.makeVolume("to", CLONE);
  const { snapshot } = (await rig.until("Volume", "to", isState("initiated"))).status.cloneStatus;
  await rig.until("Snapshot", snapshot, ({ status }) => status.error !== "");
  await rig.store.delete("Volume", "to");
  await rig.untilGone("Snapshot", snapshot);
  await rig.until("Volume", "from", ({ status }) => status.state === "detached");
  t.strictSame(await rig.tickets("from"), []);
});

t.test("nobody gets a volume before it is whole, and its source keeps what is copied", async (t) => {
  const rig = await start(t);
  await rig.makeVolume("from");
  await rig.attach("from", "node-1");
  await rig.store.create({ kind: "Snapshot", name: "s", finalizers: [FINALIZER], labels: ownLabels("from"), spec: { volume: "from", createSnapshot: true } }); // prettier-ignore
  await rig.until("Snapshot", "s", ({ status }) => status.readyToUse);
  const release = holdCopies(rig);
  await rig.makeVolume("to", { ...CLONE, dataSource: "snap://from/s" });
  await changeAttachment(
    rig.store,
    await rig.need("Volume", "to"),
    ({ spec }) =>
    addTicket(spec, { id: "user", type: "longhorn-api", nodeID: "node-2", disableFrontend: false, attachedBy: "" }), // prettier-ignore
  );
  await rig.until("Volume", "to", ({ status }) => status.conditions.some(({ type, message }) => type === "Clone" && message.includes("being copied"))); // prettier-ignore
  const [engine] = await rig.store.list("Engine", ownLabels("to"));
  t.match(engine, { spec: { disableFrontend: true }, status: { endpoint: "" } });
  const { status } = await rig.need("VolumeAttachment", "to");
  t.equal(status.attachmentTicketStatuses["user"]?.satisfied, false);
  t.equal((await rig.store.list("Replica", ownLabels("to"))).length, 1);
  await rig.store.delete("Snapshot", "s");
  await rig.until("Snapshot", "s", ({ status }) => !status.readyToUse);
  t.notOk(rig.engines.asked.includes("deleteSnapshot from s"));
  release();
  await rig.until("Volume", "to", isState("completed"));
  const attached = await rig.until("Volume", "to", ({ status }) => status.state === "attached" && !status.frontendDisabled); // prettier-ignore
  t.equal(attached.status.currentNodeID, "node-2");
});

t.test("a copy that failed is tried again later, and both volumes are free until then", async (t) => {
  const rig = await start(t);
  await rig.makeVolume("from");
  rig.engines.failures.set("clone", new OperationError("FAILED", "no route"));
  await rig.makeVolume("to", CLONE);
  const failed = await rig.until("Volume", "to", ({ status }) => status.cloneStatus.attemptCount === 1);
  t.match(failed.status.cloneStatus, { state: "initiated", nextAllowedAttemptAt: /Z$/ });
  t.match(failed.status.conditions.find(({ type }) => type === "Clone"), { status: "True", message: /no route/ }); // prettier-ignore
  for (const name of ["from", "to"])
    await rig.until("Volume", name, ({ status }) => status.state === "detached");
  t.ok(rig.told.includes("Volume to VolumeCloneFailed"));
});

t.test("what cannot be copied is said, and never becomes usable", async (t) => {
  const rig = await start(t);
  await rig.makeVolume("from");
  await rig.attach("from", "node-1");
  await rig.makeVolume("to", { ...CLONE, dataSource: "snap://from/none" });
  const failed = await rig.until("Volume", "to", isState("failed"));
  t.match(failed.status.conditions.find(({ type }) => type === "Clone"), { status: "False", reason: "CloneFailure", message: "volume from has no snapshot none" }); // prettier-ignore
  await changeAttachment(
    rig.store,
    failed,
    ({ spec }) =>
    addTicket(spec, { id: "user", type: "longhorn-api", nodeID: "node-2", disableFrontend: false, attachedBy: "" }), // prettier-ignore
  );
  const told = await rig.until("VolumeAttachment", "to", ({ status }) => status.attachmentTicketStatuses["user"] !== undefined); // prettier-ignore
  t.equal(told.status.attachmentTicketStatuses["user"]?.satisfied, false);
  await rig.until("Volume", "to", ({ status }) => status.state === "detached");
});

t.test("a volume that is deleted while it is made lets its source go", async (t) => {
  const rig = await start(t);
  await rig.makeVolume("from");
  const release = holdCopies(rig);
  await rig.makeVolume("to", CLONE);
  await rig.until("Volume", "to", ({ status }) => status.state === "attached");
  await rig.store.delete("Volume", "to");
  await rig.untilGone("Volume", "to");
  await rig.until("Volume", "from", ({ status }) => status.state === "detached");
  t.strictSame(await rig.tickets("from"), []);
  release();
});

t.test("where there is no place for the other replicas the copy is usable with one", async (t) => {
  const rig = await start(t);
  await rig.makeVolume("from");
  await rig.makeVolume("to", { ...CLONE, numberOfReplicas: 5 });
  const done = await rig.until("Volume", "to", isState("completed"));
  t.equal(done.status.robustness, "degraded");
});
