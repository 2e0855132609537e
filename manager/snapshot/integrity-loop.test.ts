import t, { type Test } from "tap";
import { FINALIZER, type Resource } from "../objects/resource.js";
import { LoopRig } from "../testing/loops.js";
import { ownLabels } from "../volume/objects.js";
import { IntegrityLoop } from "./integrity-loop.js";
import { startSnapshotLoop } from "./snapshot-loop.js";

const WEEK_MS = 7 * 24 * 3_600_000;

interface Checks {
  rig: LoopRig;
  engine: () => Promise<Resource<"Engine">>;
  /** A week goes by. */
  due: () => void;
}

async function start(
  t: Test,
  numberOfReplicas: number,
  settings: Record<string, string> = {},
): Promise<Checks> {
  // prettier-ignore
  const clock = { now: Date.now() };
  const loops: IntegrityLoop[] = [];
  const rig = await LoopRig.start(
    t,
    ({ store, engines, events, log }) => {
      loops.push(new IntegrityLoop(store, engines, events, log, () => clock.now, 1));
      return [startSnapshotLoop(store, engines, events, log), ...loops];
    },
    settings,
  );
  await rig.makeVolume("vol", { numberOfReplicas });
  await rig.attach("vol", "node-1");
  await rig.until("Node", "node-1", ({ status }) => status.snapshotCheckStatus.lastPeriodicCheckedAt !== "");
  await rig.store.create({ kind: "Snapshot", name: "s", finalizers: [FINALIZER], labels: ownLabels("vol"), spec: { volume: "vol", createSnapshot: true } }); // prettier-ignore
  await rig.until("Snapshot", "s", ({ status }) => status.readyToUse);
  const due = () => {
    clock.now += WEEK_MS;
    for (const loop of loops) loop.look("node-1");
  };
  return { rig, engine: () => rig.need("Engine", "vol-e-0"), due };
}

const hashesAskedFor = ({ engines }: LoopRig) => engines.asked.filter((one) => one.startsWith("hash")).length;

t.test("copies are compared when it is due, and their checksum is kept", async (t) => {
  const { rig, due } = await start(t, 2);
  t.equal(hashesAskedFor(rig), 0, "not before");
  due();
  const snapshot = await rig.until("Snapshot", "s", ({ status }) => status.checksum !== "");
  t.equal(snapshot.status.checksum, "0000");
  t.equal(hashesAskedFor(rig), 1);
});

t.test("a copy that the others outvote is made anew from them", async (t) => {
  const { rig, engine, due } = await start(t, 3);
  const [bad] = Object.entries((await engine()).spec.replicaAddressMap);
  if (bad === undefined) throw new Error("no replica");
  rig.engines.checksums.set("s", { [bad[1]]: "ffff" });
  due();
  await rig.untilGone("Replica", bad[0]);
  t.equal(hashesAskedFor(rig), 2, "after all files were read again");
  t.ok(rig.told.includes("Engine vol-e-0 Faulted"));
  await rig.until("Engine", "vol-e-0", ({ status }) => Object.keys(status.replicaModeMap).length === 3);
});

t.test("no copy is given up where two sound ones would not be left", async (t) => {
  const { rig, engine, due } = await start(t, 2);
  due();
  await rig.until("Snapshot", "s", ({ status }) => status.checksum === "0000");
  const [bad] = Object.values((await engine()).spec.replicaAddressMap);
  rig.engines.checksums.set("s", { [bad ?? ""]: "ffff" });
  due();
  while (!rig.told.includes("Engine vol-e-0 Faulted")) await new Promise((resolve) => setImmediate(resolve));
  t.equal((await rig.store.list("Replica", ownLabels("vol"))).filter(({ metadata }) => metadata.deletionTimestamp === "").length, 2); // prettier-ignore
});

t.test(
  "a new snapshot is hashed at once if the setting says so, and never where it is switched off",
  async (t) => {
    const atOnce = { "snapshot-data-integrity-immediate-check-after-snapshot-creation": '{"v1":"true","v2":"false"}' }; // prettier-ignore
    const { rig } = await start(t, 2, atOnce);
    await rig.until("Snapshot", "s", ({ status }) => status.checksum !== "");
    const off = await start(t, 2, {
      ...atOnce,
      "snapshot-data-integrity": '{"v1":"disabled","v2":"disabled"}',
    });
    off.due();
    await off.rig.until("Node", "node-1", ({ status }) => Date.parse(status.snapshotCheckStatus.lastPeriodicCheckedAt) > Date.now() + WEEK_MS / 2); // prettier-ignore
    await new Promise((resolve) => setImmediate(resolve));
    t.equal(hashesAskedFor(off.rig), 0);
  },
);
