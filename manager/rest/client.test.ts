/** What users do, by a client that works from the schemas alone. */
import t from "tap";
import { FINALIZER } from "../objects/resource.js";
import { underOtherName } from "../snapshot/name.js";
import { modify } from "../store/store.js";
import { startRig } from "./testing/rig.js";
import { SchemaClient } from "./testing/schema-client.js";
import { addNodes, attach } from "./testing/world.js";

t.test("a volume's life: made, attached, snapshotted, changed, expanded, detached, removed", async (t) => {
  const rig = await startRig(t);
  await addNodes(rig);
  const client = await SchemaClient.connect(`${rig.url}/v1`);
  t.ok(client.creatable("volume").includes("numberOfReplicas"));
  let volume = await client.create("volume", { name: "Data", size: "10.5Mi", numberOfReplicas: 2 });
  t.match(volume, {
    id: "data",
    name: "data",
    size: String(12 << 20),
    state: "creating",
    numberOfReplicas: 2,
    frontend: "blockdev",
    dataLocality: "disabled",
    staleReplicaTimeout: 0,
    snapshotMaxCount: 250,
    replicaAutoBalance: "ignored",
    controllers: [],
    replicas: [],
    volumeAttachment: { attachments: {} },
  });
  t.match(volume.created, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC$/);
  t.strictSame(
    (await client.list("volume")).map(({ id }) => id),
    ["data"],
  );

  volume = await client.act(volume, "attach", { hostId: "node-1", attachmentID: "mine", attachedBy: "me" });
  t.match(volume.volumeAttachment.attachments, {
    mine: { nodeID: "node-1", attachmentType: "longhorn-api", satisfied: false, parameters: { disableFrontend: "false", lastAttachedBy: "me" } }, // prettier-ignore
  });
  await attach(rig, "data");
  volume = await client.reload(volume);
  t.match(volume, {
    state: "attached",
    robustness: "healthy",
    ready: true,
    controllers: [{ name: "data-e-0", hostId: "node-1", endpoint: "/dev/longhorn/data", running: true, actualSize: "8192" }], // prettier-ignore
    replicas: [
      { name: "data-r-0", mode: "RW", running: true, address: "10.0.0.1", dataPath: "/var/lib/longhorn/replicas/data-0" }, // prettier-ignore
      { name: "data-r-1", mode: "RW", hostId: "node-2" },
    ],
    rebuildStatus: [{ replica: "data-r-1", fromReplica: "data-r-0", isRebuilding: true, progress: 40 }],
    conditions: { Scheduled: { status: "True" } },
  });

  const snapshot = await client.act(volume, "snapshotCreate", { name: "one", labels: { of: "test" } });
  t.match(snapshot, { id: "one", usercreated: true, removed: false, labels: { of: "test" } });
  const again = { status: 422, message: /snapshot one of volume data exists already/ };
  await t.rejects(client.act(volume, "snapshotCreate", { name: "one" }), again);
  const { data } = await client.act(volume, "snapshotList");
  t.strictSame(data.map(({ name }: { name: string }) => name).sort(), ["one", "volume-head"]);
  // Replies are complete where Longhorn's have empty lists.
  const marked = await client.act(volume, "snapshotDelete", { name: "one" });
  t.match(marked, { replicas: [{ name: "data-r-0" }, { name: "data-r-1" }], controllers: [{}] });
  t.match(await client.act(volume, "snapshotGet", { name: "one" }), { removed: true });
  await client.act(volume, "snapshotPurge");
  await client.act(volume, "trimFilesystem");
  t.strictSame(rig.engines.asked.slice(-2), ["purge data", "trim data on node-1"]);

  await modify(rig.store, "Volume", "data", "spec", ({ spec }) => {
    spec.disableFrontend = true;
  });
  const none = { status: 404, message: /snapshot of volume data: none is not found/ };
  for (const action of ["snapshotDelete", "snapshotRevert"])
    await t.rejects(client.act(volume, action, { name: "none" }), none, action);

  const object = await client.act(volume, "snapshotCRCreate", { labels: { a: "b" } });
  t.match(object, {
    name: /^snap-[0-9a-f]{16}$/,
    createSnapshot: true,
    readyToUse: false,
    labels: { a: "b" },
  });
  t.equal((await client.act(volume, "snapshotCRList")).data.length, 1);
  await client.act(volume, "snapshotCRDelete", { name: object.name });
  await client.act(volume, "snapshotCRDelete", { name: "none" });

  volume = await client.act(volume, "updateReplicaCount", { replicaCount: 3 });
  t.match(volume, { numberOfReplicas: 3, replicas: [{}, {}] });
  volume = await client.act(volume, "updateSnapshotMaxSize", { snapshotMaxSize: "1Gi" });
  const more = { status: 422, message: /size: its snapshotMaxSize is 1 GiB, .* 2 GiB: change that first/ };
  await t.rejects(client.act(volume, "expand", { size: "1Gi" }), more);
  volume = await client.act(volume, "updateSnapshotMaxSize", { snapshotMaxSize: "2Gi" });
  volume = await client.act(volume, "expand", { size: "1Gi" });
  t.equal(volume.size, String(2 ** 30));
  volume = await client.act(volume, "cancelExpansion");
  t.equal(volume.size, String(12 << 20));

  volume = await client.act(volume, "detach", { attachmentID: "mine", hostId: "node-2" });
  t.match(volume.volumeAttachment.attachments, { mine: {} }, "the ticket is for another node");
  volume = await client.act(volume, "detach", { attachmentID: "mine" });
  t.strictSame(volume.volumeAttachment.attachments, {});
  await client.delete(volume);
  t.equal((await client.reload(volume)).state, "deleting");
  await t.rejects(client.act(volume, "attach", { hostId: "node-1" }), {
    status: 422,
    message: /being deleted/,
  });
});

t.test(
  "of those who make the same volume at once one does, and whoever wanted an older one is forgotten",
  async (t) => {
    const { call, store } = await startRig(t);
    const tickets = {
      old: { id: "old", type: "longhorn-api", nodeID: "node-1", generation: 1, parameters: {} },
    };
    await store.create({
      kind: "VolumeAttachment",
      name: "vol",
      spec: { volume: "vol", attachmentTickets: tickets },
    });
    const all = await Promise.all(Array.from({ length: 8 }, () => call("POST", "/v1/volumes", { name: "vol", size: "1Gi" }))); // prettier-ignore
    t.strictSame(all.map(({ status }) => status).sort(), [200, ...Array<number>(7).fill(422)]);
    const [volume, attachment] = [
      await store.get("Volume", "vol"),
      await store.get("VolumeAttachment", "vol"),
    ];
    t.match(attachment, { spec: { attachmentTickets: {} }, metadata: { ownerReferences: [{ uid: volume?.metadata.uid }] } }); // prettier-ignore
    t.equal(attachment?.spec.attachmentTickets["old"], undefined);
  },
);

t.test("what becomes a copy keeps its source, and the snapshot that it is of", async (t) => {
  const rig = await startRig(t);
  await addNodes(rig);
  const client = await SchemaClient.connect(`${rig.url}/v1`);
  let source = await client.create("volume", { name: "from", size: "1Gi" });
  await attach(rig, "from");
  source = await client.reload(source);
  await client.act(source, "snapshotCreate", { name: "one" });
  await client.create("volume", { name: "to", size: "1Gi", dataSource: "snap://from/one" });
  const copying = { status: 422, message: /being copied into/ };
  await t.rejects(client.act(source, "snapshotDelete", { name: "one" }), copying, "also before it is begun");
  await t.rejects(client.delete(source), copying);
  await t.rejects(client.act(source, "expand", { size: "2Gi" }), { status: 422, message: /size: .* copied into to,/ }, "a copy is as large as that"); // prettier-ignore
  await client.act(source, "expand", { size: "1Gi" });
  await attach(rig, "to");
  const copy = await client.byId("volume", "to");
  await t.rejects(client.act(copy, "expand", { size: "2Gi" }), { status: 422, message: /size: .* copied from snap:\/\/from\/one/ }); // prettier-ignore
  await modify(rig.store, "Volume", "to", "status", ({ status }) => {
    status.cloneStatus.state = "copy-completed-awaiting-healthy";
  });
  for (const whole of [source, copy]) await client.act(whole, "expand", { size: "2Gi" });
  await client.act(source, "snapshotDelete", { name: "one" });
  await client.delete(source);
  t.equal((await client.reload(source)).state, "deleting");
});

t.test("a snapshot that is to go is of no use any more", async (t) => {
  const rig = await startRig(t);
  const client = await SchemaClient.connect(`${rig.url}/v1`);
  await client.create("volume", { name: "vol", size: "1Gi" });
  await modify(rig.store, "Volume", "vol", "status", ({ status }) => {
    status.state = "detached";
  });
  const volume = await client.byId("volume", "vol");
  await rig.store.create({ kind: "Snapshot", name: "one", finalizers: [FINALIZER], spec: { volume: "vol" }, status: { readyToUse: true } }); // prettier-ignore
  t.match(await client.act(volume, "snapshotCRGet", { name: "one" }), { readyToUse: true });
  await client.act(volume, "snapshotCRDelete", { name: "one" });
  t.match(await client.act(volume, "snapshotCRGet", { name: "one" }), { readyToUse: false });
});

t.test("recurring jobs are made, changed, given to volumes and taken from them", async (t) => {
  const { url, store } = await startRig(t);
  const client = await SchemaClient.connect(`${url}/v1`);
  const job = await client.create("recurringJob", { name: "nightly", task: "snapshot", cron: "0 2 * * *", retain: 7, groups: ["important"] }); // prettier-ignore
  t.match(job, { concurrency: 10, groups: ["important"], executionCount: 0 });
  // As a dashboard does: all of it comes back, changed.
  t.match(await client.update(job, { ...job, retain: 3, task: "backup" }), { retain: 3, task: "snapshot" });
  const volume = await client.create("volume", { name: "v1", size: "1Gi", recurringJobSelector: [{ name: "important", isGroup: true }] }); // prettier-ignore
  const detached = { ...volume, actions: (await client.byId("volume", "v1")).actions };
  t.equal(detached.actions.recurringJobAdd, undefined, "not while it is being made");
  const never = { cron: "0 0 30 2 *", retain: 1_000 };
  await modify(store, "RecurringJob", "nightly", "spec", ({ spec }) => Object.assign(spec, never));
  t.match(
    await client.update(job, { ...never, concurrency: 5 }),
    { concurrency: 5 },
    "the rest was so before",
  );
  await t.rejects(client.update(job, { cron: "0 0 31 2 *" }), {
    status: 400,
    message: /cron: .*never comes/,
  });
  await t.rejects(client.update(job, { retain: 1_001 }), { status: 400, message: /retain/ });
  await client.delete(job);
  t.strictSame(await client.list("recurringJob"), []);
});

t.test("nodes, disks and settings are changed, as dashboards do it", async (t) => {
  const rig = await startRig(t);
  await addNodes(rig);
  const client = await SchemaClient.connect(`${rig.url}/v1`);
  let node = await client.byId("node", "node-1");
  t.match(node, {
    address: "10.0.0.1",
    zone: "zone-of-node-1",
    disks: { main: { diskUUID: "disk-of-node-1" } },
  });
  node = await client.update(node, {
    ...node,
    tags: ["slow"],
    allowScheduling: false,
    evictionRequested: true,
  });
  t.match(node, { tags: ["slow"], allowScheduling: false, evictionRequested: true });
  const more = { path: "/mnt/more/", allowScheduling: true, tags: ["hdd"] };
  node = await client.act(node, "diskUpdate", { disks: { ...node.disks, more } });
  t.match(node.disks, {
    main: { path: "/var/lib/longhorn" },
    more: { diskType: "filesystem", tags: ["hdd"] },
  });
  const { disks } = node;
  await t.rejects(
    client.act(node, "diskUpdate", { disks: { main: disks.main } }),
    /disks\.more: .*scheduling/,
  );
  disks.more.allowScheduling = false;
  node = await client.act(node, "diskUpdate", { disks });
  node = await client.act(node, "diskUpdate", { disks: { main: disks.main } });
  t.strictSame(Object.keys(node.disks), ["main"]);

  const setting = await client.byId("setting", "replica-soft-anti-affinity");
  t.match(setting, { value: "false", applied: true, definition: { category: "scheduling", type: "bool" } });
  t.match(await client.update(setting, { ...setting, value: " true" }), { value: "true" });
  t.match(await client.byId("setting", "replica-soft-anti-affinity"), { value: "true" });
});

t.test("a setting of the danger zone counts at once, and says so, whatever is attached", async (t) => {
  const rig = await startRig(t);
  await addNodes(rig);
  const client = await SchemaClient.connect(`${rig.url}/v1`);
  await client.create("volume", { name: "v1", size: "1Gi", numberOfReplicas: 2 });
  await attach(rig, "v1");
  const setting = await client.byId("setting", "concurrent-replica-rebuild-per-node-limit");
  for (const value of ["1", "1", "2"])
    t.match(await client.update(setting, { ...setting, value }), { value, applied: true });
  t.match(await client.byId("setting", setting.id), { value: "2", applied: true });
});

t.test("a faulted volume is salvaged with replicas that are named", async (t) => {
  const rig = await startRig(t);
  await addNodes(rig);
  const client = await SchemaClient.connect(`${rig.url}/v1`);
  await client.create("volume", { name: "v1", size: "1Gi", numberOfReplicas: 2 });
  await attach(rig, "v1");
  for (const replica of await rig.store.list("Replica")) {
    replica.spec.failedAt = replica.spec.lastFailedAt = "2026-02-01T00:00:00Z";
    await rig.store.update(replica);
  }
  const stored = await rig.store.get("Volume", "v1");
  if (stored === null) throw new Error("gone");
  Object.assign(stored.status, { state: "detached", robustness: "faulted" });
  await rig.store.updateStatus(stored);
  const faulted = await client.byId("volume", "v1");
  t.strictSame(Object.keys(faulted.actions).sort(), ["attach", "detach", "salvage"]);
  await t.rejects(client.act(faulted, "salvage", { names: ["other-r-0"] }), { status: 422, message: /no replica other-r-0/ }); // prettier-ignore
  const salvaged = await client.act(faulted, "salvage", { names: ["v1-r-1"] });
  t.match(salvaged, { robustness: "unknown", replicas: [{ failedAt: /./ }, { failedAt: "" }] });
  const removal = await rig.call("POST", "/v1/volumes/v1?action=replicaRemove", { name: "v1-r-1" });
  t.match(removal.json, { status: 422, message: /v1-r-1 may be the last that has its data/ });
});

t.test("a copy that was never whole does not pass for one while no engine runs", async (t) => {
  const rig = await startRig(t);
  await addNodes(rig);
  await rig.call("POST", "/v1/volumes", { name: "data", size: "10Mi", numberOfReplicas: 3 });
  await attach(rig, "data");
  await modify(rig.store, "Replica", "data-r-2", "spec", ({ spec }) => (spec.healthyAt = ""));
  const modes = async () => (await rig.call("GET", "/v1/volumes/data")).json.replicas.map(({ mode }: { mode: string }) => mode); // prettier-ignore
  await modify(rig.store, "Engine", "data-e-0", "status", ({ status }) => (status.replicaModeMap = {}));
  t.strictSame(await modes(), ["", "", "WO"]);
  for (const name of ["data-r-0", "data-r-1"])
    await modify(rig.store, "Replica", name, "spec", ({ spec }) => (spec.healthyAt = ""));
  t.strictSame(await modes(), ["", "", ""], "nothing was written yet: all are alike");
});

t.test(
  "a snapshot has the name that its volume's engine gives it, whatever that of its object is",
  async (t) => {
    const rig = await startRig(t);
    await addNodes(rig);
    const client = await SchemaClient.connect(`${rig.url}/v1`);
    for (const name of ["one", "two"])
      await client.create("volume", { name, size: "10Mi", numberOfReplicas: 1 });
    const [one, two] = await client.list("volume");
    if (one === undefined || two === undefined) throw new Error("no volumes");
    await client.act(one, "snapshotCRCreate", { name: "same" });
    const spec = { volume: "two", createSnapshot: false };
    await rig.store.create(underOtherName({ kind: "Snapshot", name: "same", spec }));
    for (const volume of [one, two]) {
      const { data } = await client.act(volume, "snapshotCRList");
      t.match(data, [{ id: "same", name: "same", volume: volume.id }]);
      t.match(await client.act(volume, "snapshotCRGet", { name: "same" }), {
        name: "same",
        volume: volume.id,
      });
    }
    await t.rejects(client.act(two, "snapshotCRCreate", { name: "same" }), { message: /snapshot same of volume two is there already/ }); // prettier-ignore
    await client.act(two, "snapshotCRDelete", { name: "same" });
    t.strictSame((await rig.store.list("Snapshot")).map((object) => object.spec.volume), ["one"]); // prettier-ignore
  },
);
