import t from "tap";
import { FakeEngines } from "../testing/fake-engines.js";
import { addNodes, attach } from "../rest/testing/world.js";
import { SqliteEvents } from "../events/sqlite-events.js";
import { openDatabase } from "../store/database.js";
import { SqliteStore } from "../store/sqlite-store.js";
import { ManagerMetrics } from "./metrics.js";

/** The value of a series, by its name and labels as they are written. */
async function valueOf(metrics: ManagerMetrics, series: string): Promise<number | null> {
  const { text } = await metrics.text();
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? null : Number(line.slice(series.length + 1));
}

t.test("objects are gauges with Longhorn's names and labels, and go with the objects", async (t) => {
  const database = openDatabase(":memory:");
  const store = SqliteStore.on(database);
  t.teardown(() => store.close());
  const engines = new FakeEngines(store);
  const events = SqliteEvents.on(database, Date.now, (error) => t.fail(String(error)));
  t.teardown(() => events.close());
  const backend = { store, events, engines, nodes: engines };
  await addNodes(backend);
  await store.create({ kind: "Volume", name: "vol", spec: { size: "1073741824", numberOfReplicas: 2 } });
  const metrics = new ManagerMetrics(store, engines);
  const idle = 'node="",volume="vol",pvc="",pvc_namespace=""';
  t.equal(await valueOf(metrics, `longhorn_volume_state{${idle}}`), 1);
  t.equal(await valueOf(metrics, `longhorn_volume_read_throughput{${idle}}`), null, "no engine runs");
  await attach(backend, "vol");
  const volume = 'node="node-1",volume="vol",pvc="",pvc_namespace=""';
  const expected: Record<string, number | null> = {
    [`longhorn_volume_state{${idle}}`]: null,
    [`longhorn_volume_state{${volume}}`]: 2,
    [`longhorn_volume_robustness{${volume}}`]: 1,
    [`longhorn_volume_capacity_bytes{${volume}}`]: 2 ** 30,
    [`longhorn_volume_write_latency{${volume}}`]: 6,
    'longhorn_engine_state{engine="vol-e-0",volume="vol",node="node-1",state="running"}': 1,
    'longhorn_engine_state{engine="vol-e-0",volume="vol",node="node-1",state="error"}': 0,
    'longhorn_engine_replica_mode{engine="vol-e-0",volume="vol",replica="vol-r-1",mode="RW"}': 1,
    'longhorn_engine_rebuild_progress{node="node-1",engine="vol-e-0",rebuild_src="tcp://10.0.0.1:10000",rebuild_dst="tcp://10.0.0.2:10000",pvc="",pvc_namespace=""}': 40, // prettier-ignore
    'longhorn_replica_info{replica="vol-r-0",volume="vol",node="node-1",disk_path="/var/lib/longhorn",data_engine=""}': 1, // prettier-ignore
    longhorn_node_count_total: 3,
    'longhorn_node_status{node="node-1",condition="ready",condition_reason=""}': 1,
    'longhorn_node_status{node="node-1",condition="allowScheduling",condition_reason=""}': 1,
    'longhorn_node_storage_capacity_bytes{node="node-1"}': 100 * 2 ** 30,
    'longhorn_disk_usage_bytes{node="node-1",disk="main"}': 20 * 2 ** 30,
    'longhorn_disk_reservation_bytes{node="node-1",disk="main"}': 2 ** 30,
  };
  for (const [series, value] of Object.entries(expected))
    t.equal(await valueOf(metrics, series), value, series);
  await store.delete("Engine", "vol-e-0");
  t.equal(await valueOf(metrics, `longhorn_volume_read_iops{${volume}}`), null);
});

t.test("counters of a volume go on when its next engine begins at nothing", async (t) => {
  const store = SqliteStore.open(":memory:");
  t.teardown(() => store.close());
  const metrics = new ManagerMetrics(store, new FakeEngines(store));
  const totals = { rebuildBytes: 0, resyncBytes: 0, flushes: 0, replicaFailures: 0, crcErrors: 0 };
  const flushes = () => valueOf(metrics, 'aurochs_flushes_total{volume="vol"}');
  metrics.own.engine("vol", "first", { ...totals, flushes: 5 });
  metrics.own.engine("vol", "first", { ...totals, flushes: 7 });
  t.equal(await flushes(), 7);
  metrics.own.engineEnded("first");
  metrics.own.engine("vol", "second", { ...totals, flushes: 2 });
  t.equal(await flushes(), 9);
  metrics.own.operation("vol", "flush", 0.003);
  t.equal(await valueOf(metrics, 'aurochs_volume_latency_seconds_bucket{le="0.005",volume="vol",operation="flush"}'), 1); // prettier-ignore
  metrics.own.volumeGone("vol");
  t.equal(await flushes(), null);
});
