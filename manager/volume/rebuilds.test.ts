import t from "tap";
import { modify } from "../store/store.js";
import { LoopRig } from "../testing/loops.js";
import { Rebuilds } from "./rebuilds.js";
import { SimulatedCluster } from "./testing/simulated-cluster.js";
import type { Plan } from "./world.js";

t.test(
  "no more are made equal on a node at once than may be, also when all volumes want it at once",
  async (t) => {
    const rig = await LoopRig.start(t, () => [], { "concurrent-replica-rebuild-per-node-limit": "1" });
    const allow = (isAllowed: boolean) =>
      modify(rig.store, "Node", "node-3", "spec", ({ spec }) => {
        spec.allowScheduling = isAllowed;
      });
    await allow(false);
    const volumes = ["a", "b"];
    for (const name of volumes) {
      await rig.makeVolume(name);
      await rig.attach(name, "node-1");
    }
    const growing = new Set<string>();
    let most = 0;
    t.teardown(
      rig.store.watch("Replica", {
        onChange: ({ object: { metadata, spec } }) => {
          if (spec.healthyAt === "") growing.add(metadata.name);
          else growing.delete(metadata.name);
          most = Math.max(most, growing.size);
        },
      }),
    );
    for (const name of volumes)
      await modify(rig.store, "Volume", name, "spec", ({ spec }) => (spec.numberOfReplicas = 3));
    await allow(true);
    for (const name of volumes)
    await rig.until("Engine", `${name}-e-0`, ({ status }) => Object.values(status.replicaModeMap).filter((mode) => mode === "RW").length === 3); // prettier-ignore
    t.equal(most, 1);
  },
);

t.test("what was begun counts until it is whole or has ended, and not for ever", async (t) => {
  const cluster = new SimulatedCluster(["n1", "n2", "n3"], 2);
  cluster.ticket = "n1";
  for (let round = 0; round < 12; round++) {
    cluster.decide();
    cluster.work();
    cluster.now += 1_000;
  }
  const { engine, replicas } = cluster;
  const [replica] = replicas;
  if (engine === null || replica === undefined) throw new Error("it is not attached");
  const { name } = replica.metadata;
  const node = replica.spec.nodeID;
  const names = new Map([[name, replica]]);
  const modeIs = (mode: string) => [{ ...engine, status: { ...engine.status, replicaModeMap: { [name]: mode } } }]; // prettier-ignore
  const stopped = { ...replica, spec: { ...replica.spec, desireState: "stopped" } };
  const plan = { created: [], deleted: [], replicas } as unknown as Plan;
  const rebuilds = new Rebuilds();
  rebuilds.note({ now: 0, engine: null, replicas: [stopped] }, plan);
  t.strictSame(rebuilds.byNode([], names, 0), new Map(), "all are started when a volume is attached");
  const begin = () => rebuilds.note({ now: 0, engine, replicas: [stopped, ...replicas.slice(1)] }, plan);
  begin();
  t.strictSame(rebuilds.byNode([], names, 59_999), new Map([[node, 1]]));
  t.strictSame(rebuilds.byNode(modeIs("WO"), names, 59_999), new Map([[node, 1]]), "once");
  t.strictSame(rebuilds.byNode(modeIs("WO"), names, 60_000), new Map([[node, 1]]));
  t.strictSame(rebuilds.byNode(modeIs("ERR"), names, 60_000), new Map());
  begin();
  t.strictSame(rebuilds.byNode(modeIs("RW"), names, 1_000), new Map());
  t.strictSame(rebuilds.byNode(modeIs("ERR"), names, 1_000), new Map());
  begin();
  rebuilds.note({ now: 0, engine, replicas }, { ...plan, replicas: [stopped] });
  t.strictSame(
    rebuilds.byNode([], names, 1_000),
    new Map(),
    "its process has ended: it is not in its own way",
  );
  begin();
  rebuilds.note({ now: 0, engine, replicas }, { ...plan, deleted: [replica] });
  t.strictSame(rebuilds.byNode([], names, 1_000), new Map());
});
