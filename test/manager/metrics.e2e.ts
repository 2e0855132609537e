/** What engines count is told to whoever collects metrics of the manager. Needs root. */
import t from "tap";
import { System, write } from "./system.js";

const MIB = 1 << 20;

const system = await System.start(2);
t.teardown(() => system.end());
const { manager } = system;
await manager.create("volumes", { name: "data", size: String(64 * MIB), numberOfReplicas: 1, frontend: "iscsi" }); // prettier-ignore
await system.untilVolume("data", "detached", ({ state }) => state === "detached");
let volume = await system.attach("data", "node-1");

const LABELS = 'node="node-1",volume="data",pvc="",pvc_namespace=""';
const NAMES = ["flushes", "rebuild_bytes", "resync_bytes", "replica_failures", "crc_errors"] as const;

async function counters() {
  const series = await system.metrics();
  const valueOf = (name: string) => series.get(`aurochs_volume_${name}_total{${LABELS}}`);
  return Object.fromEntries(NAMES.map((name) => [name, valueOf(name)])) as Record<(typeof NAMES)[number], number | undefined>; // prettier-ignore
}

const isWhole = ({ replicas, robustness }: typeof volume) =>
  robustness === "healthy" && replicas.filter(({ mode }) => mode === "RW").length === 2;

t.test("flushes and latencies are those of the I/O that was done", async (t) => {
  await write(volume, 16 * MIB, 1);
  const series = await system.metrics();
  const latency = (operation: string, name: string, le = "") =>
    series.get(`aurochs_volume_latency_seconds_${name}{${le}${LABELS},operation="${operation}"}`) ?? NaN;
  const flushes = latency("flush", "count");
  t.ok(flushes >= 1);
  t.equal(series.get(`aurochs_volume_flushes_total{${LABELS}}`), flushes);
  t.ok(latency("write", "count") >= 16);
  t.ok(latency("write", "sum") > 0);
  t.equal(latency("write", "bucket", 'le="+Inf",'), latency("write", "count"));
  t.ok(latency("write", "bucket", 'le="4.194304",') <= latency("write", "count"));
});

t.test("what a new replica is given counts as rebuilt", async (t) => {
  t.match(await counters(), { rebuild_bytes: 0, resync_bytes: 0, replica_failures: 0, crc_errors: 0 });
  await manager.act("volumes", "data", "updateReplicaCount", { replicaCount: 2 });
  volume = await system.untilVolume("data", "healthy with two replicas", isWhole);
  const { rebuild_bytes, ...others } = await counters();
  t.ok((rebuild_bytes ?? 0) >= 16 * MIB);
  t.match(others, { resync_bytes: 0, replica_failures: 0, crc_errors: 0 });
});

t.test(
  "a replica that hangs counts as failed, and what it is given when it comes back as resynced",
  async (t) => {
    const { rebuild_bytes } = await counters();
    const stopped = system.replicaHost("node-2");
    process.kill(stopped, "SIGSTOP");
    // Whoever asks both copies waits for the one that hangs: its failure is told before.
    const asking = manager.act("volumes", "data", "snapshotCreate", { name: "meanwhile" }).catch(() => undefined); // prettier-ignore
    try {
      await write(volume, 16 * MIB, 2);
      await system.untilVolume("data", "degraded", ({ robustness }) => robustness === "degraded");
    } finally {
      process.kill(stopped, "SIGCONT");
    }
    await asking;
    volume = await system.untilVolume("data", "healthy with two replicas", isWhole);
    // The first piece may have been on the way to it. Files of a snapshot that it missed, as it may have this one, count a moment after it is a copy.
    await system.until("what it was given to be counted", async () => ((await counters()).resync_bytes ?? 0) >= 15 * MIB); // prettier-ignore
    t.match(await counters(), { replica_failures: 1, rebuild_bytes, crc_errors: 0 });
  },
);

t.test("an engine that begins anew counts from nothing", async (t) => {
  const { flushes = 0 } = await counters();
  for (let i = 0; i < 3; i++) await write(volume, MIB, 3);
  t.ok(((await counters()).flushes ?? 0) >= flushes + 3);
  process.kill(system.engine("node-1", "data"), "SIGKILL");
  await system.until("another engine's counters", async () => (await counters()).replica_failures === 0);
  await write(volume, MIB, 4);
  t.ok(((await counters()).flushes ?? 0) >= 1);
});
