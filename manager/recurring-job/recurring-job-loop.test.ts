import t, { type Test } from "tap";
import type { SpecOf } from "../objects/kinds.js";
import type { Resource } from "../objects/resource.js";
import { OperationError } from "../operations.js";
import { startSnapshotLoop } from "../snapshot/snapshot-loop.js";
import { modify } from "../store/store.js";
import { LoopRig } from "../testing/loops.js";
import { ownLabels } from "../volume/objects.js";
import { setWorkTickets } from "../volume/work-tickets.js";
import { RecurringJobLoop } from "./recurring-job-loop.js";

const HOUR_MS = 3_600_000;

class JobRig {
  private constructor(
    readonly rig: LoopRig,
    readonly clock: { now: number },
    private readonly loops: RecurringJobLoop[],
  ) {}

  static async start(t: Test, settings: Record<string, string> = {}): Promise<JobRig> {
    const clock = { now: Date.now() };
    const loops: RecurringJobLoop[] = [];
    const rig = await LoopRig.start(
      t,
      ({ store, engines, events, log }) => [
        startSnapshotLoop(store, engines, events, log),
        { stop: () => Promise.all(loops.map((loop) => loop.stop())).then(() => undefined) },
      ],
      settings,
    );
    const jobs = new JobRig(rig, clock, loops);
    jobs.begin();
    return jobs;
  }

  begin(): RecurringJobLoop {
    const { store, engines, events, log } = this.rig;
    const loop = new RecurringJobLoop(store, engines, engines, events, log, () => this.clock.now);
    this.loops.push(loop);
    return loop;
  }

  async make(name: string, spec: Partial<SpecOf<"RecurringJob">>): Promise<void> {
    const given = { name, cron: "0 * * * *", groups: ["default"], retain: 1, concurrency: 2, labels: {}, ...spec }; // prettier-ignore
    await this.rig.store.create({ kind: "RecurringJob", name, spec: given });
    await this.seen(name);
  }

  /** The loop has looked at a job as it is now: what is stored is told to watchers in the order in which they came. */
  async seen(name: string): Promise<void> {
    await this.rig.until("RecurringJob", name, () => true);
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** An hour goes by, and what is due then is done. */
  async due(name: string, count = 1): Promise<Resource<"RecurringJob">> {
    const before = (await this.rig.need("RecurringJob", name)).status.executionCount;
    this.clock.now += HOUR_MS;
    for (const loop of this.loops) loop.look(name);
    return this.rig.until("RecurringJob", name, ({ metadata, status }) => status.executionCount === before + count && Object.keys(metadata.annotations).length === 0); // prettier-ignore
  }

  async snapshots(volume: string): Promise<Resource<"Snapshot">[]> {
    const all = await this.rig.store.list("Snapshot", ownLabels(volume));
    return all.filter(({ metadata, status }) => metadata.deletionTimestamp === "" && status.readyToUse);
  }
}

t.test(
  "volumes get a snapshot whenever a job of their group is due, and keep as many as it says",
  async (t) => {
    const jobs = await JobRig.start(t);
    const { rig } = jobs;
    await rig.makeVolume("one");
    await rig.makeVolume("two", {}, { "recurring-job.longhorn.io/other": "enabled" });
    await rig.makeVolume("idle");
    for (const name of ["one", "two"]) await rig.attach(name, "node-1");
    await jobs.make("nightly-snapshots", { task: "snapshot", retain: 2, labels: { by: "test" } });
    for (let i = 0; i < 3; i++) await jobs.due("nightly-snapshots");
    const snapshots = await jobs.snapshots("one");
    t.equal(snapshots.length, 2);
    t.match(snapshots[0], { metadata: { name: /^nightly--[0-9a-f-]{36}$/ }, spec: { labels: { RecurringJob: "nightly-snapshots", by: "test" } }, status: { labels: { RecurringJob: "nightly-snapshots" } } }); // prettier-ignore
    t.equal((await jobs.snapshots("two")).length, 0, "it has jobs of its own");
    t.equal((await jobs.snapshots("idle")).length, 0, "nobody uses it");
    await rig.set("allow-recurring-job-while-volume-detached", "true");
    await jobs.due("nightly-snapshots");
    t.equal((await jobs.snapshots("idle")).length, 1);
    await rig.until("Volume", "idle", ({ status }) => status.state === "detached");
  },
);

t.test("only a job's own snapshots count, unless it is for all", async (t) => {
  const jobs = await JobRig.start(t);
  const { rig } = jobs;
  await rig.makeVolume("vol");
  await rig.attach("vol", "node-1");
  await jobs.make("a", { task: "snapshot-force-create" });
  await jobs.make("b", { task: "snapshot-force-create" });
  for (const name of ["a", "b", "a", "b"]) await jobs.due(name);
  t.equal((await jobs.snapshots("vol")).length, 2);
  await jobs.make("all", { task: "snapshot-delete", retain: 1 });
  await jobs.due("all");
  t.equal((await jobs.snapshots("vol")).length, 1);
});

t.test("while purges are switched off no job makes more than it may keep", async (t) => {
  const jobs = await JobRig.start(t);
  const { rig } = jobs;
  await rig.makeVolume("vol");
  await rig.attach("vol", "node-1");
  await jobs.make("job", { task: "snapshot", retain: 5 });
  for (let i = 0; i < 2; i++) await jobs.due("job");
  await modify(rig.store, "RecurringJob", "job", "spec", ({ spec }) => {
    spec.retain = 1;
  });
  await rig.set("auto-cleanup-system-generated-snapshot", "false");
  await rig.set("disable-snapshot-purge", "true");
  await jobs.seen("job");
  await jobs.due("job");
  t.equal((await jobs.snapshots("vol")).length, 2);
  t.ok(rig.told.includes("RecurringJob job Failed"));
});

t.test("file systems are trimmed and leftovers purged, also of volumes that nobody uses", async (t) => {
  const jobs = await JobRig.start(t, { "allow-recurring-job-while-volume-detached": "true" });
  const { rig } = jobs;
  await rig.makeVolume("idle");
  await rig.makeVolume("used");
  await rig.attach("used", "node-2");
  await jobs.make("trim", { task: "filesystem-trim", retain: 0 });
  await jobs.due("trim");
  t.strictSame(rig.engines.asked, ["trim used on node-2", "purge used"]);
  rig.engines.asked.length = 0;
  await jobs.make("clean", { task: "snapshot-cleanup", retain: 0 });
  await jobs.due("clean");
  t.strictSame(rig.engines.asked.sort(), ["purge idle", "purge used"]);
  await rig.until("Volume", "idle", ({ status }) => status.state === "detached");
  t.strictSame(await rig.tickets("idle"), []);
});

t.test(
  "what fails on one volume is told, and done on the others; backups are told to be missing",
  async (t) => {
    const jobs = await JobRig.start(t);
    const { rig } = jobs;
    for (const name of ["a", "b"]) {
      await rig.makeVolume(name);
      await rig.attach(name, "node-1");
    }
    rig.engines.failures.set("createSnapshot", new OperationError("REFUSED", "there are too many"));
    await jobs.make("job", { task: "snapshot" });
    await jobs.due("job");
    t.equal(rig.told.filter((one) => one === "RecurringJob job Failed").length, 1);
    const [a, b] = [await jobs.snapshots("a"), await jobs.snapshots("b")];
    t.ok(a.length + b.length >= 1);
    await jobs.make("backup", { task: "backup" });
    await jobs.due("backup");
    t.ok(rig.told.includes("RecurringJob backup Failed"));
  },
);

t.test("a run that the manager's end broke off is gone on with, and nothing is done twice", async (t) => {
  const jobs = await JobRig.start(t);
  const { rig } = jobs;
  for (const name of ["a", "b"]) {
    await rig.makeVolume(name);
    await rig.attach(name, "node-1");
  }
  await jobs.make("job", { task: "snapshot", retain: 5 });
  await jobs.due("job");
  const first = jobs.begin();
  await first.stop();
  const begun = new Date(jobs.clock.now - 5_000).toISOString();
  const [done] = await jobs.snapshots("a");
  const name = done?.metadata.name ?? "";
  const created = new Date(jobs.clock.now).toISOString();
  await modify(rig.store, "Engine", "a-e-0", "status", ({ status }) => {
    Object.assign(status.snapshots[name] ?? {}, { created });
  });
  await rig.until("Snapshot", name, ({ status }) => status.creationTime === created);
  const attaching = await rig.makeVolume("c");
  await rig.setReady("node-3", false);
  await setWorkTickets(rig.store, attaching, () => false, [{ id: "recurring-job-job", type: "snapshot-controller", nodeID: "node-3", disableFrontend: "any", attachedBy: "" }]); // prettier-ignore
  await rig.until("Volume", "c", ({ status }) => status.state === "attaching");
  await modify(rig.store, "RecurringJob", "job", "spec", ({ metadata }) => {
    metadata.annotations = { "aurochs.io/running-since": begun };
  });
  jobs.begin();
  await rig.until("RecurringJob", "job", ({ metadata }) => Object.keys(metadata.annotations).length === 0);
  t.equal((await jobs.snapshots("b")).length, 2, "the one of the run before is older");
  t.equal((await jobs.snapshots("a")).length, 1);
  t.equal((await rig.need("RecurringJob", "job")).status.executionCount, 1);
  t.strictSame(await rig.tickets("c"), [], "nobody waits for it any more");
  await rig.until("Volume", "c", ({ status }) => status.state === "detached");
});

t.test("tickets of jobs that are not being done any more are dropped", async (t) => {
  const jobs = await JobRig.start(t);
  const { rig } = jobs;
  const volume = await rig.makeVolume("vol");
  await setWorkTickets(rig.store, volume, () => false, [{ id: "recurring-job-gone", type: "snapshot-controller", nodeID: "node-1", disableFrontend: "any", attachedBy: "" }]); // prettier-ignore
  await rig.until("Volume", "vol", ({ status }) => status.state === "attached");
  jobs.begin();
  await rig.until("Volume", "vol", ({ status }) => status.state === "detached");
  t.strictSame(await rig.tickets("vol"), []);
});
