/** What is wrong is refused, with words that name it, and nothing is changed. */
import { status } from "@grpc/grpc-js";
import t from "tap";
import { purgeSnapshots, removeSnapshot } from "../../engine/client/snapshots.js";
import type { VolumeClient } from "../../engine/client/volume.js";
import type { FrontendSwitch } from "../../engine/controller/frontend-switch.js";
import { snapshotRefusal } from "../../engine/controller/snapshot-limits.js";
import { Snapshots } from "../../engine/controller/snapshots.js";
import type { Settings } from "../../engine/controller/settings.js";
import type { VolumeState } from "../../engine/controller/volume-state.js";
import { ReplicaMode } from "../../proto/longhorn.js";
import { errorText, RpcError } from "../../proto/rpc-error.js";
import { operationError } from "../agents/engine-caller.js";
import { startRig, type Rig } from "./testing/rig.js";
import { modify } from "../store/store.js";
import { addNodes, attach } from "./testing/world.js";

type Case = [what: string, method: string, path: string, body: unknown, status: number, message: RegExp];

const volume = (fields: object) => ({ name: "new", size: "1Gi", ...fields });
const VOL = "/v1/volumes/vol";
const act = (action: string, volume = "vol") => `/v1/volumes/${volume}?action=${action}`;
const job = (fields: object) => ({ name: "j", task: "snapshot", cron: "0 0 * * *", retain: 1, ...fields });
const disk = (fields: object) => ({ disks: { main: { path: "/var/lib/longhorn", ...fields } } });

const CASES: Case[] = [
  ["no JSON", "POST", "/v1/volumes", "{name", 400, /the body is no JSON/],
  ["a list", "POST", "/v1/volumes", [], 400, /volume: has to be an object, not \[\]/],
  ["a text", "POST", "/v1/volumes", '"x"', 400, /volume: has to be an object/],
  ["null", "POST", "/v1/volumes", "null", 400, /volume: has to be an object/],
  ["nothing", "POST", "/v1/volumes", undefined, 400, /volume: name is missing/],
  ["an unknown key", "POST", "/v1/volumes", volume({ replicas2: 1 }), 400, /"replicas2" is no field/],
  [
    "a name of Object's",
    "POST",
    "/v1/volumes",
    volume({ constructor: {} }),
    400,
    /"constructor" is no field/,
  ],
  ["a prototype", "POST", "/v1/volumes", '{"name":"new","size":"1Gi","__proto__":{"a":1}}', 400, /__proto__/],
  ["a key twice", "POST", "/v1/volumes", volume({ SIZE: "2Gi" }), 400, /size is given twice/],
  ["no size", "POST", "/v1/volumes", { name: "new" }, 400, /size is missing/],
  ["an empty size", "POST", "/v1/volumes", volume({ size: "" }), 400, /volume: size: 0 is less than 2 MiB/],
  [
    "a size of words",
    "POST",
    "/v1/volumes",
    volume({ size: "big" }),
    400,
    /volume: size: "big" is no amount/,
  ],
  ["a negative size", "POST", "/v1/volumes", volume({ size: "-1Gi" }), 400, /volume: size: "-1Gi"/],
  ["too large a size", "POST", "/v1/volumes", volume({ size: "99Ei" }), 400, /volume: size: "99Ei"/],
  ["a size at the end of numbers", "POST", "/v1/volumes", volume({ size: "9007199254740991" }), 400, /volume: size: .* is more than 4 PiB/], // prettier-ignore
  [
    "growth to there",
    "POST",
    act("expand", "idle"),
    { size: "9007199254740991" },
    400,
    /expandInput: size: .* 4 PiB/,
  ],
  ["a size as a number", "POST", "/v1/volumes", volume({ size: 1 }), 400, /size: has to be a text, not 1/],
  ["no name", "POST", "/v1/volumes", volume({ name: "" }), 400, /volume: name: "" is no name/],
  ["a short name", "POST", "/v1/volumes", volume({ name: "a" }), 400, /volume: name: "a"/],
  ["a name with a slash", "POST", "/v1/volumes", volume({ name: "a/b" }), 400, /volume: name: "a\/b"/],
  ["a name with dots", "POST", "/v1/volumes", volume({ name: "../up" }), 400, /volume: name/],
  ["a name in use", "POST", "/v1/volumes", volume({ name: "VOL" }), 422, /volume vol exists already/],
  ["replicas as a text", "POST", "/v1/volumes", volume({ numberOfReplicas: "2" }), 400, /numberOfReplicas: has to be a whole number, not "2"/], // prettier-ignore
  ["half a replica", "POST", "/v1/volumes", volume({ numberOfReplicas: 1.5 }), 400, /numberOfReplicas: has to be a whole number/], // prettier-ignore
  ["too many replicas", "POST", "/v1/volumes", volume({ numberOfReplicas: 21 }), 400, /numberOfReplicas: has to be from 1 to 20, not 21/], // prettier-ignore
  ["fewer than none", "POST", "/v1/volumes", volume({ numberOfReplicas: -1 }), 400, /numberOfReplicas/],
  [
    "an unknown frontend",
    "POST",
    "/v1/volumes",
    volume({ frontend: "nfs" }),
    400,
    /frontend: Expected one of/,
  ],
  ["a v2 frontend", "POST", "/v1/volumes", volume({ frontend: "nvmf" }), 400, /frontend: has to be blockdev or iscsi/], // prettier-ignore
  [
    "the v2 engine",
    "POST",
    "/v1/volumes",
    volume({ dataEngine: "v2" }),
    501,
    /not available yet: dataEngine/,
  ],
  ["an unknown access mode", "POST", "/v1/volumes", volume({ accessMode: "rox" }), 400, /accessMode/],
  ["an unknown locality", "POST", "/v1/volumes", volume({ dataLocality: "near" }), 400, /dataLocality/],
  ["strict-local with two", "POST", "/v1/volumes", volume({ dataLocality: "strict-local", numberOfReplicas: 2 }), 400, /numberOfReplicas: strict-local/], // prettier-ignore
  ["strict-local and rwx", "POST", "/v1/volumes", volume({ dataLocality: "strict-local", accessMode: "rwx" }), 400, /dataLocality: strict-local/], // prettier-ignore
  [
    "migratable alone",
    "POST",
    "/v1/volumes",
    volume({ migratable: true }),
    400,
    /migratable: needs accessMode rwx/,
  ],
  ["a flag as a text", "POST", "/v1/volumes", volume({ encrypted: "true" }), 400, /encrypted: has to be true or false/], // prettier-ignore
  ["a tag of no node", "POST", "/v1/volumes", volume({ nodeSelector: ["fast", "gone"] }), 400, /nodeSelector: no node has the tag gone/], // prettier-ignore
  ["a tag of no disk", "POST", "/v1/volumes", volume({ diskSelector: ["floppy"] }), 400, /diskSelector: no disk has the tag floppy/], // prettier-ignore
  ["a selector as a text", "POST", "/v1/volumes", volume({ diskSelector: "nvme" }), 400, /diskSelector: has to be a list/], // prettier-ignore
  ["a selector of numbers", "POST", "/v1/volumes", volume({ nodeSelector: [1] }), 400, /nodeSelector\[0\]: has to be a text/], // prettier-ignore
  [
    "a job without a name",
    "POST",
    "/v1/volumes",
    volume({ recurringJobSelector: [{}] }),
    400,
    /recurringJobSelector/,
  ],
  ["a job with more", "POST", "/v1/volumes", volume({ recurringJobSelector: [{ name: "a", x: 1 }] }), 400, /recurringJobSelector\[0\]: "x" is no field/], // prettier-ignore
  ["one snapshot", "POST", "/v1/volumes", volume({ snapshotMaxCount: 1 }), 400, /snapshotMaxCount: has to be from 2 to 250/], // prettier-ignore
  [
    "small snapshots",
    "POST",
    "/v1/volumes",
    volume({ snapshotMaxSize: "1Gi" }),
    400,
    /snapshotMaxSize: .*2 GiB/,
  ],
  ["an odd source", "POST", "/v1/volumes", volume({ dataSource: "vol" }), 400, /dataSource: vol is neither/],
  ["a source that is gone", "POST", "/v1/volumes", volume({ dataSource: "vol://gone" }), 400, /volume gone is not found/], // prettier-ignore
  ["a source of another size", "POST", "/v1/volumes", volume({ dataSource: "snap://vol/s", size: "2Gi" }), 400, /size: has to be that of volume vol/], // prettier-ignore
  [
    "a clone of nothing",
    "POST",
    "/v1/volumes",
    volume({ cloneMode: "full-copy" }),
    400,
    /cloneMode: needs dataSource/,
  ],
  ["a linked clone", "POST", "/v1/volumes", volume({ dataSource: "vol://vol", cloneMode: "linked-clone" }), 400, /cloneMode/], // prettier-ignore
  ["a backup", "POST", "/v1/volumes", volume({ fromBackup: "s3://b?backup=x&volume=y" }), 501, /backups/],
  ["standby without one", "POST", "/v1/volumes", volume({ standby: true }), 400, /standby: needs fromBackup/],
  ["a backing image", "POST", "/v1/volumes", volume({ backingImage: "img" }), 501, /backing images/],
  ["a v2 limit", "POST", "/v1/volumes", volume({ replicaRebuildingBandwidthLimit: 5 }), 400, /replicaRebuildingBandwidthLimit/], // prettier-ignore

  ["attach to nowhere", "POST", act("attach"), {}, 400, /hostId is missing/],
  ["attach to an empty node", "POST", act("attach"), { hostId: "" }, 400, /hostId is missing/],
  ["attach to an unknown node", "POST", act("attach"), { hostId: "mars" }, 404, /node mars is not found/],
  ["attach away from the only copy", "POST", act("attach", "local"), { hostId: "node-2" }, 422, /volume local is strict-local: .* on node node-1/], // prettier-ignore
  ["attach by nobody known", "POST", act("attach"), { hostId: "node-1", attacherType: "me" }, 400, /attacherType: "me"/], // prettier-ignore
  ["attach with an odd ticket", "POST", act("attach"), { hostId: "node-1", attachmentID: "__proto__" }, 400, /attachmentID/], // prettier-ignore
  ["attach with a typo", "POST", act("attach"), { hostID: "node-1", disableFrontEnd: true, host: 1 }, 400, /"host" is no field/], // prettier-ignore
  [
    "attach what is not there",
    "POST",
    act("attach", "none"),
    { hostId: "node-1" },
    404,
    /volume none is not found/,
  ],
  ["detach what is not there", "POST", act("detach", "none"), {}, 404, /volume none is not found/],
  ["shrink", "POST", act("expand"), { size: "1Mi" }, 422, /size: a volume cannot become smaller/],
  ["grow beyond the disks", "POST", act("expand"), { size: "1Ti" }, 422, /size: disk main of node node-1 can be promised/], // prettier-ignore
  ["grow by words", "POST", act("expand"), { size: "more" }, 400, /expandInput: size: "more"/],
  ["cancel nothing", "POST", act("cancelExpansion"), {}, 422, /not being expanded/],
  ["salvage what is whole", "POST", act("salvage"), { names: ["vol-r-0"] }, 422, /only a volume that is detached and faulted/], // prettier-ignore
  ["salvage by a force that is none", "POST", act("salvage"), { names: ["vol-r-0"], force: 1 }, 400, /force is neither true nor false/], // prettier-ignore
  [
    "salvage by force what is whole",
    "POST",
    act("salvage"),
    { names: ["vol-r-0"], force: true },
    422,
    /salvaged by force/,
  ],
  ["salvage nothing", "POST", act("salvage"), {}, 400, /names is missing/],
  ["remove another's replica", "POST", act("replicaRemove"), { name: "other-r-0" }, 404, /replica other-r-0 is not found/], // prettier-ignore
  [
    "no replicas",
    "POST",
    act("updateReplicaCount"),
    { replicaCount: 0 },
    400,
    /numberOfReplicas: has to be from 1/,
  ],
  ["a count of text", "POST", act("updateReplicaCount"), { replicaCount: "3" }, 400, /replicaCount: has to be a whole number/], // prettier-ignore
  ["no count", "POST", act("updateReplicaCount"), {}, 400, /replicaCount is missing/],
  ["strict-local while attached", "POST", act("updateDataLocality"), { dataLocality: "strict-local" }, 400, /numberOfReplicas/], // prettier-ignore
  ["rwx while attached", "POST", act("updateAccessMode"), { accessMode: "rwx" }, 422, /accessMode: changes only while the volume is detached; it is attached/], // prettier-ignore
  ["an empty word", "POST", act("updateReplicaAutoBalance"), { replicaAutoBalance: "" }, 400, /replicaAutoBalance is empty/], // prettier-ignore
  ["a wrong word", "POST", act("updateReplicaAutoBalance"), { replicaAutoBalance: "most" }, 400, /replicaAutoBalance: Expected one of/], // prettier-ignore
  ["another compression", "POST", act("updateBackupCompressionMethod"), { backupCompressionMethod: "gzip" }, 400, /backupCompressionMethod: cannot be changed/], // prettier-ignore
  [
    "an unknown target",
    "POST",
    act("updateBackupTargetName"),
    { backupTargetName: "x" },
    404,
    /backupTarget x/,
  ],
  [
    "a snapshot of a detached one",
    "POST",
    act("snapshotCreate", "idle"),
    {},
    422,
    /volume idle has to be attached/,
  ],
  [
    "a purge of a detached one",
    "POST",
    act("snapshotPurge", "idle"),
    {},
    422,
    /volume idle has to be attached/,
  ],
  [
    "trim of a detached one",
    "POST",
    act("trimFilesystem", "idle"),
    {},
    422,
    /volume idle has to be attached/,
  ],
  [
    "a snapshot with a path",
    "POST",
    act("snapshotCreate"),
    { name: "../../etc" },
    400,
    /snapshotInput: name/,
  ],
  ["the head's name", "POST", act("snapshotCRCreate"), { name: "volume-head" }, 400, /snapshotCRInput: name/],
  [
    "labels of numbers",
    "POST",
    act("snapshotCreate"),
    { labels: { a: 1 } },
    400,
    /labels\.a: has to be a text/,
  ],
  [
    "deleting the head",
    "POST",
    act("snapshotDelete"),
    { name: "volume-head" },
    400,
    /volume-head is no snapshot/,
  ],
  [
    "deleting none",
    "POST",
    act("snapshotDelete"),
    { name: "none" },
    404,
    /snapshot of volume vol: none is not found/,
  ],
  ["an unknown snapshot", "POST", act("snapshotGet"), { name: "none" }, 404, /none is not found/],
  ["an unknown object", "POST", act("snapshotCRGet"), { name: "none" }, 404, /snapshotCR none is not found/],
  ["revert under users", "POST", act("snapshotRevert"), { name: "s" }, 422, /frontend disabled/],
  ["an odd job", "POST", act("recurringJobAdd"), { name: "a/b" }, 400, /volumeRecurringJobInput: name/],
  ["an unknown image", "POST", act("engineUpgrade"), { image: "x" }, 404, /engineImage x is not found/],
  ["deleting none", "DELETE", "/v1/volumes/none", undefined, 404, /volume none is not found/],

  ["a job that never comes", "POST", "/v1/recurringjobs", job({ cron: "0 0 30 2 *" }), 400, /recurringJob: cron: "0 0 30 2 \*" never comes/], // prettier-ignore
  ["an unknown setting", "PUT", "/v1/settings/nothing", { value: "1" }, 404, /setting nothing is not found/],
  ["no value", "PUT", "/v1/settings/default-replica-count", {}, 400, /value is missing/],
  [
    "a value of words",
    "PUT",
    "/v1/settings/default-replica-count",
    { value: "two" },
    400,
    /"two" is no whole number/,
  ],
  ["a value too large", "PUT", "/v1/settings/default-replica-count", { value: "21" }, 400, /from 1 to 20/],
  [
    "a number",
    "PUT",
    "/v1/settings/default-replica-count",
    { value: 2 },
    400,
    /value: has to be a text, not 2/,
  ],
  [
    "a read-only one",
    "PUT",
    "/v1/settings/default-engine-image",
    { value: "x" },
    400,
    /only the system writes it/,
  ],
  ["another one's name", "PUT", "/v1/settings/auto-salvage", { name: "log-level", value: "true" }, 400, /this is auto-salvage/], // prettier-ignore
  ["two that exclude each other", "PUT", "/v1/settings/disable-snapshot-purge", { value: "true" }, 422, /together with auto-cleanup-system-generated-snapshot/], // prettier-ignore

  ["a job of nothing", "POST", "/v1/recurringjobs", {}, 400, /name is missing/],
  ["a task that is none", "POST", "/v1/recurringjobs", job({ task: "dance" }), 400, /task: Expected one of/],
  ["cron of four fields", "POST", "/v1/recurringjobs", job({ cron: "* * * *" }), 400, /cron: .*five fields/],
  [
    "cron of words",
    "POST",
    "/v1/recurringjobs",
    job({ cron: "a b c d e" }),
    400,
    /cron: .* is no cron expression/,
  ],
  ["keeping none", "POST", "/v1/recurringjobs", job({ retain: 0 }), 400, /retain: has to be from 1 to 100/],
  ["keeping all", "POST", "/v1/recurringjobs", job({ retain: 101 }), 400, /retain: has to be from 1 to 100/],
  ["all at once", "POST", "/v1/recurringjobs", job({ concurrency: 1e9 }), 400, /concurrency/],
  ["a long name", "POST", "/v1/recurringjobs", job({ name: "j".repeat(41) }), 400, /name: .*40 at most/],
  ["an odd group", "POST", "/v1/recurringjobs", job({ groups: ["A B"] }), 400, /groups: "A B"/],
  [
    "an unknown parameter",
    "POST",
    "/v1/recurringjobs",
    job({ parameters: { x: "1" } }),
    400,
    /parameters\.x/,
  ],
  ["changing none", "PUT", "/v1/recurringjobs/none", { retain: 1 }, 404, /recurringJob none is not found/],

  ["an unknown node", "PUT", "/v1/nodes/mars", { tags: [] }, 404, /node mars is not found/],
  ["eviction while scheduled", "PUT", "/v1/nodes/node-1", { allowScheduling: true, evictionRequested: true }, 400, /evictionRequested: needs allowScheduling/], // prettier-ignore
  ["an odd tag", "PUT", "/v1/nodes/node-1", { tags: ["a,b"] }, 400, /tags: "a,b" is no tag/],
  [
    "CPU below none",
    "PUT",
    "/v1/nodes/node-1",
    { instanceManagerCPURequest: -1 },
    400,
    /instanceManagerCPURequest/,
  ],
  ["a node that is there", "DELETE", "/v1/nodes/node-1", undefined, 422, /node node-1 cannot be removed: .* started without its --node node-1=/], // prettier-ignore
  [
    "disks as a list",
    "POST",
    "/v1/nodes/node-1?action=diskUpdate",
    { disks: [] },
    400,
    /disks: has to be an object/,
  ],
  ["no disks", "POST", "/v1/nodes/node-1?action=diskUpdate", {}, 400, /disks is missing/],
  ["a disk in use", "POST", "/v1/nodes/node-1?action=diskUpdate", { disks: {} }, 422, /disks\.main: it cannot be removed/], // prettier-ignore
  ["a relative disk", "POST", "/v1/nodes/node-1?action=diskUpdate", disk({ path: "data" }), 400, /disks\.main\.path: "data"/], // prettier-ignore
  ["another path", "POST", "/v1/nodes/node-1?action=diskUpdate", disk({ path: "/mnt" }), 400, /disks\.main\.path: cannot be changed/], // prettier-ignore
  ["a block disk", "POST", "/v1/nodes/node-1?action=diskUpdate", disk({ diskType: "block" }), 501, /disks\.main\.diskType/], // prettier-ignore
  ["more reserved than there is", "POST", "/v1/nodes/node-1?action=diskUpdate", disk({ storageReserved: 2 ** 50 }), 400, /storageReserved/], // prettier-ignore
  ["an unknown key of a disk", "POST", "/v1/nodes/node-1?action=diskUpdate", disk({ size: 1 }), 400, /disks\.main: "size" is no field/], // prettier-ignore
  ["two disks in one place", "POST", "/v1/nodes/node-1?action=diskUpdate", { disks: { main: { path: "/var/lib/longhorn" }, b: { path: "/var/lib/longhorn/" } } }, 400, /disks\.b\.path: .* disk main's already/], // prettier-ignore
  ["an unknown orphan", "DELETE", "/v1/orphans/none", undefined, 404, /orphan none is not found/],
  ["an unknown schema", "GET", "/v1/schemas/none", undefined, 404, /schema none is not found/],
];

const GIB = 2 ** 30;

/** An engine with snapshots, of which it takes no more. */
const full = (usage: object, limits: object = {}) =>
  new Error(
    snapshotRefusal(
      [{ snapshotCountUsage: 1, snapshotCountTotal: 1, snapshotSizeUsage: 0, headFileSize: 0, ...usage }],
      { maxCount: 250, maxSize: 0, ...limits },
    ) ?? "it is not full",
  );

/** The client of an engine with one replica. */
const client = (replica: object, mode = "RW") =>
  ({
    replicas: () => Promise.resolve([{ address: "10.0.0.1:10000", mode }]),
    replica: () => Promise.resolve({ rebuilding: false, ...replica }),
    withSyncAgent: () => Promise.resolve({ isPurging: true }),
  }) as unknown as VolumeClient;

/** Of an engine with one replica. */
const revert = (mode: number, { removed = false, isUp = false }) => {
  const syncAgent = () => ({ call: () => Promise.resolve({ isPurging: true }), close: () => undefined });
  const state = {
    options: {},
    inMode: (asked: number) => (asked === mode ? [{ address: "10.0.0.1:10000", syncAgent }] : []),
    heardFrom: () => Promise.resolve([{ disks: { "volume-snap-s.img": { removed } } }]),
  };
  const frontend = { isUp } as unknown as FrontendSwitch;
  return new Snapshots(state as unknown as VolumeState, {} as unknown as Settings, frontend).revert("s");
};

/** What the engine itself says, without a code: clients of Longhorn's know it by its words. */
const REFUSALS: [what: string, action: string, operation: string, refused: () => Promise<unknown>][] = [
  ["as many snapshots as are allowed", "snapshotCreate", "createSnapshot", () => Promise.reject(full({ snapshotCountUsage: 250 }))], // prettier-ignore
  ["as many files as are possible", "snapshotCreate", "createSnapshot", () => Promise.reject(full({ snapshotCountTotal: 250 }))], // prettier-ignore
  ["snapshots as large as they may be", "snapshotCreate", "createSnapshot", () => Promise.reject(full({ headFileSize: GIB }, { maxSize: 1 }))], // prettier-ignore
  ["deletion during a rebuild", "snapshotDelete", "deleteSnapshot", () => removeSnapshot(client({ rebuilding: true }), "s")], // prettier-ignore
  ["deletion beside a copy that is none", "snapshotDelete", "deleteSnapshot", () => removeSnapshot(client({}, "ERR"), "s")], // prettier-ignore
  ["a purge during a rebuild", "snapshotPurge", "purge", () => purgeSnapshots(client({ rebuilding: true }), true)], // prettier-ignore
  ["a purge during another one", "snapshotPurge", "purge", () => purgeSnapshots(client({}), false)],
  ["a revert during a rebuild", "snapshotRevert", "revert", () => revert(ReplicaMode.WO, {})],
  [
    "a revert to what is removed",
    "snapshotRevert",
    "revert",
    () => revert(ReplicaMode.RW, { removed: true }),
  ],
  ["a revert under users", "snapshotRevert", "revert", () => revert(ReplicaMode.RW, { isUp: true })],
  ["a revert during a purge", "snapshotRevert", "revert", () => revert(ReplicaMode.RW, {})],
];

/** All objects, without what is only told of them. */
async function stored({ store }: Rig): Promise<unknown[]> {
  const kinds = ["Volume", "VolumeAttachment", "Snapshot", "Replica", "Engine", "Node", "Setting", "RecurringJob"] as const; // prettier-ignore
  return Promise.all(kinds.map((kind) => store.list(kind)));
}

t.test("no volume is made while the data engine is switched off", async (t) => {
  const rig = await startRig(t);
  await rig.call("PUT", "/v1/settings/v1-data-engine", { value: "false" });
  const { json } = await rig.call("POST", "/v1/volumes", volume({}));
  t.match(json, { status: 422, message: /dataEngine: .*the setting v1-data-engine is false/ });
  t.strictSame(await rig.store.list("Volume"), []);
});

t.test("bad input", async (t) => {
  const rig = await startRig(t);
  await addNodes(rig);
  await rig.call("POST", "/v1/volumes", { name: "local", size: "1Gi", dataLocality: "strict-local" });
  await attach(rig, "local");
  for (const name of ["vol", "other", "idle"]) await rig.call("POST", "/v1/volumes", { name, size: "1Gi", numberOfReplicas: 2 }); // prettier-ignore
  await attach(rig, "vol");
  await attach(rig, "other");
  const before = await stored(rig);
  for (const [what, method, path, body, status, message] of CASES) {
    const { json, text } = await rig.call(method, path, body);
    t.match(
      json,
      { type: "error", status, message, links: {}, actions: {}, detail: "", code: /./ },
      `${what}: ${text}`,
    );
  }
  t.strictSame(await stored(rig), before, "nothing is changed");
  t.strictSame(rig.errors, []);
  t.ok((await rig.call("GET", VOL)).status === 200);
});

t.test("what an engine does not do in its present state is refused, in its own words", async (t) => {
  const rig = await startRig(t);
  await addNodes(rig);
  await rig.call("POST", "/v1/volumes", { name: "vol", size: "1Gi", numberOfReplicas: 2 });
  await attach(rig, "vol");
  await modify(rig.store, "Volume", "vol", "spec", ({ spec }) => {
    spec.disableFrontend = true;
  });
  t.equal((await rig.call("POST", act("snapshotCreate"), { name: "s" })).status, 200);
  for (const [what, action, operation, refused] of REFUSALS) {
    const said = await refused().then(() => "nothing was refused", errorText);
    const passedOn = new RpcError(status.UNKNOWN, `failed at engine 10.0.0.1:10000: ${said}`);
    rig.engines.failures.set(operation, operationError(passedOn));
    const body = action === "snapshotPurge" ? undefined : { name: action === "snapshotCreate" ? "new" : "s" };
    const { json, text } = await rig.call("POST", act(action), body);
    t.match(json, { type: "error", status: 422, message: passedOn.message }, `${what}: ${text}`);
  }
  t.strictSame(rig.errors, []);
});
