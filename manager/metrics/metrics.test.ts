import t from "tap";
import { FakeEngines } from "../testing/fake-engines.js";
import { addNodes, attach } from "../rest/testing/world.js";
import { SqliteEvents } from "../events/sqlite-events.js";
import { openDatabase } from "../store/database.js";
import { SqliteStore } from "../store/sqlite-store.js";
import { modify } from "../store/store.js";
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
    'longhorn_node_cpu_capacity_millicpu{node="node-1"}': 4000,
    'longhorn_node_cpu_usage_millicpu{node="node-1"}': 250,
    'longhorn_node_memory_capacity_bytes{node="node-1"}': 2 ** 34,
    'longhorn_node_memory_usage_bytes{node="node-1"}': 2 ** 30,
    'longhorn_node_memory_usage_bytes{node="node-2"}': null,
    'longhorn_disk_usage_bytes{node="node-1",disk="main"}': 20 * 2 ** 30,
    'longhorn_disk_reservation_bytes{node="node-1",disk="main"}': 2 ** 30,
  };
  for (const [series, value] of Object.entries(expected))
    t.equal(await valueOf(metrics, series), value, series);
  const readOnly = `longhorn_volume_file_system_read_only{${volume}}`;
  const seen = (isReadOnly: boolean) =>
    modify(store, "InstanceManager", "im-1", "status", ({ status }) => {
      status.instanceEngines = { "vol-e-0": { spec: { name: "vol-e-0", dataEngine: "v1" }, status: { type: "engine", state: "running", errorMsg: "", portStart: 0, portEnd: 0, targetPortStart: 0, targetPortEnd: 0, uuid: "", conditions: { FilesystemReadOnly: isReadOnly }, endpoint: "", listen: "", resourceVersion: 0, ublkID: 0 } } }; // prettier-ignore
    });
  await seen(false);
  t.equal(await valueOf(metrics, readOnly), null);
  await seen(true);
  t.equal(await valueOf(metrics, readOnly), 1);
  await store.delete("Engine", "vol-e-0");
  t.equal(await valueOf(metrics, readOnly), null);
  t.equal(await valueOf(metrics, `longhorn_volume_read_iops{${volume}}`), null);
});

t.test(
  "what an engine has counted is told as it is, with Longhorn's labels, and goes with the engine",
  async (t) => {
    const store = SqliteStore.open(":memory:");
    t.teardown(() => store.close());
    const engines = new FakeEngines(store);
    await store.create({ kind: "Volume", name: "vol", spec: { size: "1073741824", numberOfReplicas: 1 } });
    await store.create({ kind: "Engine", name: "vol-e-0", spec: { volumeName: "vol", nodeID: "node-1" } });
    await modify(store, "Engine", "vol-e-0", "status", ({ status }) => (status.currentState = "running"));
    const metrics = new ManagerMetrics(store, engines);
    const labels = 'node="node-1",volume="vol",pvc="",pvc_namespace=""';
    const flushes = () => valueOf(metrics, `aurochs_volume_flushes_total{${labels}}`);
    t.equal(await flushes(), null, "of an engine that says nothing, nothing is told");
    engines.counted.set("vol", {
      ...{
        rebuildBytes: 1,
        resyncBytes: 2,
        flushes: 3,
        replicaFailures: 4,
        crcErrors: 5,
        holds: 6,
        heldMicros: 7,
      },
      latencies: [
        // The last range that an engine has is of all that took longer as well.
        {
          operation: "flush",
          sumMicros: 9_000_000,
          belowMicros: [48, 64, 80, 8_388_608],
          counts: [1, 2, 3, 4],
        },
      ],
    });
    t.equal(await valueOf(metrics, `aurochs_volume_rebuild_bytes_total{${labels}}`), 1);
    t.equal(await valueOf(metrics, `aurochs_volume_resync_bytes_total{${labels}}`), 2);
    t.equal(await flushes(), 3);
    t.equal(await flushes(), 3, "nothing is counted twice");
    t.equal(await valueOf(metrics, `aurochs_volume_replica_failures_total{${labels}}`), 4);
    t.equal(await valueOf(metrics, `aurochs_volume_crc_errors_total{${labels}}`), 5);
    const latency = (name: string, le = "") =>
    valueOf(metrics, `aurochs_volume_latency_seconds_${name}{${le === "" ? "" : `le="${le}",`}${labels},operation="flush"}`); // prettier-ignore
    t.equal(await latency("bucket", "0.000064"), 3);
    t.equal(await latency("bucket", "0.000128"), 6);
    t.equal(await latency("bucket", "4.194304"), 6);
    t.equal(await latency("bucket", "+Inf"), 10);
    t.equal(await latency("count"), 10);
    t.equal(await latency("sum"), 9);
    await modify(store, "Engine", "vol-e-0", "status", ({ status }) => (status.currentState = "stopped"));
    t.equal(await flushes(), null);
  },
);

t.test("all of it has the form of Prometheus's text", async (t) => {
  const store = SqliteStore.open(":memory:");
  t.teardown(() => store.close());
  const engines = new FakeEngines(store);
  await store.create({ kind: "Volume", name: "vol", spec: { size: "1073741824", numberOfReplicas: 1 } });
  await addNodes({ store });
  await attach({ store }, "vol");
  const latencies = ["read", "write"].map((operation) => ({ operation, sumMicros: 1, belowMicros: [4], counts: [1] })); // prettier-ignore
  engines.counted.set("vol", { rebuildBytes: 0, resyncBytes: 0, flushes: 0, replicaFailures: 0, crcErrors: 0, holds: 0, heldMicros: 0, latencies }); // prettier-ignore
  const metrics = new ManagerMetrics(store, engines);
  metrics.own.request("GET", "/v1/volumes", 200, 0.01);
  const { text } = await metrics.text();
  t.ok(text.endsWith("\n"));
  const seen = new Set<string>();
  for (const family of text.trimEnd().split("\n\n")) {
    const [help = "", type = "", ...series] = family.split("\n");
    const [, name = ""] = /^# HELP ([a-z_]+) \S.*$/.exec(help) ?? [];
    const [, kind = ""] = new RegExp(`^# TYPE ${name} (counter|gauge|histogram)$`).exec(type) ?? [];
    const ending = kind === "histogram" ? "(_bucket|_sum|_count)" : "";
    t.match(`${help}\n${type}`, new RegExp(`^# HELP ${name} .+\n# TYPE ${name} ${kind}$`));
    t.equal(kind === "counter", name.endsWith("_total") && name !== "longhorn_node_count_total", name);
    for (const line of series) {
      t.match(line, new RegExp(`^${name}${ending}(\\{([a-z_]+="[^"]*",?)+\\})? -?[0-9.e+-]+$`));
      const labels = line.slice(0, line.lastIndexOf(" "));
      t.notOk(seen.has(labels), `${labels} is there once`);
      seen.add(labels);
    }
  }
  t.ok(seen.has('aurochs_volume_latency_seconds_count{node="node-1",volume="vol",pvc="",pvc_namespace="",operation="read"}')); // prettier-ignore
});
