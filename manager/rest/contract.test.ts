/** The API, route by route, against the facts about Longhorn's: what is answered, with which fields of which types. */
import { readFileSync } from "node:fs";
import t, { type Test } from "tap";
import { aboutLonghorn } from "../../test/golden/archives.js";
import { startRig, type Answer, type Json, type Rig } from "./testing/rig.js";
import { addNodes, attach } from "./testing/world.js";

interface Facts {
  endpoints: { method: string; path: string; action?: string; response: string; note?: string }[];
  schemas: Record<string, SchemaFacts>;
  volumeActionsByState: Record<string, string[] | string>;
  websockets: { streams: { stream: string; paths: string[]; message: string }[] };
}

interface SchemaFacts {
  plural: string;
  collectionPath: string;
  collectionMethods: string[];
  resourceMethods: string[];
  actions?: Record<string, object>;
  fields: Record<string, FieldFacts>;
}

interface FieldFacts {
  type: string;
  wire?: string;
  nullable?: boolean;
  note?: string;
}

const facts = JSON.parse(readFileSync(aboutLonghorn("rest-api.json"), "utf8")) as Facts;

t.test(
  "the published schemas are Longhorn's: ids, names, methods, actions, fields with their types",
  async (t) => {
    const { call } = await startRig(t);
    const { json, headers } = await call("GET", "/v1/schemas");
    t.match(headers.get("x-api-schemas"), /\/v1\/schemas$/);
    const published = new Map<string, Json>(json.data.map((schema: Json) => [schema.id, schema]));
    t.strictSame([...published.keys()].sort(), Object.keys(facts.schemas).sort());
    for (const [id, schema] of Object.entries(facts.schemas)) {
      const { json: one } = await call("GET", `/v1/schemas/${id}`);
      t.strictSame(one, published.get(id));
      t.equal(one.pluralName, schema.plural, id);
      t.strictSame(one.collectionMethods, schema.collectionMethods, id);
      t.strictSame(one.resourceMethods, schema.resourceMethods, id);
      t.strictSame(one.resourceActions, schema.actions ?? {}, id);
      t.ok(String(one.links.collection).endsWith(schema.collectionPath), id);
      const fields = Object.entries(schema.fields).map(([name, field]) => [name, withoutNotes(field)]);
      t.strictSame(one.resourceFields, Object.fromEntries(fields), id);
    }
  },
);

/** Without what is said about it for implementers. */
function withoutNotes(field: FieldFacts): object {
  return Object.fromEntries(Object.entries(field).filter(([key]) => key !== "note" && key !== "wire"));
}

t.test("every route answers what it is said to, with every field of its type", async (t) => {
  const rig = await startRig(t);
  await fill(rig);
  const walked: string[] = [];
  for (const { method, path, action = "", response } of facts.endpoints) {
    const route = `${method} ${path}${action === "" ? "" : `?action=${action}`}`;
    const request = REQUESTS[route];
    if (request === undefined && method === "GET" && path.includes("{")) {
      t.fail(`nobody asks ${route}`);
      continue;
    }
    const concrete = request?.path ?? path;
    const url = `${concrete}${action === "" ? "" : `?action=${action}`}`;
    const answer = await rig.call(method, url, request?.body);
    walked.push(route);
    const expected = request?.status ?? 200;
    t.equal(answer.status, expected, `${route}: ${answer.text.slice(0, 300)}`);
    if (answer.status === 200) checkAnswer(t, route, response, answer);
    else if (answer.text !== "") checkFields(t, route, "error", answer.json);
  }
  t.strictSame(rig.errors, [], "nothing that nobody expected");
  const unknown = Object.keys(REQUESTS).filter((route) => !walked.includes(route));
  t.strictSame(unknown, [], "all requests are of routes that there are");
});

t.test("a volume allows the actions of its state that are here", async (t) => {
  const rig = await startRig(t);
  await fill(rig);
  const known = new Set(
    Object.values(facts.volumeActionsByState).flatMap((names) => (Array.isArray(names) ? names : [])),
  );
  const offered = async () => Object.keys((await rig.call("GET", "/v1/volumes/other")).json.actions).sort();
  const isHere = (action: string) => REQUESTS[ON_VOLUME + action]?.status !== 501;
  const named = (key: string) => ((facts.volumeActionsByState[key] as string[] | undefined) ?? []).filter(isHere); // prettier-ignore
  const always = named("always");
  const whole = named("robustness not faulted, in addition to always");
  const set = async (state: string, robustness: string) => {
    const volume = await rig.store.get("Volume", "other");
    if (volume === null) throw new Error("gone");
    Object.assign(volume.status, { state, robustness });
    await rig.store.updateStatus(volume);
  };
  for (const state of ["detached", "attaching", "attached"]) {
    await set(state, "healthy");
    t.strictSame(
      await offered(),
      [...always, ...whole, ...named(`not faulted and ${state}, further`)].sort(),
      state,
    );
    await set(state, "faulted");
    t.strictSame(
      await offered(),
      [...always, ...named("robustness faulted (any state), in addition to always")].sort(),
    );
  }
  for (const state of ["creating", "detaching", "deleting"]) {
    await set(state, "unknown");
    t.strictSame(await offered(), [...always, ...whole].sort(), state);
  }
  t.ok(known.size > 30);
});

async function fill(rig: Rig): Promise<void> {
  const { call, store, events } = rig;
  await addNodes(rig);
  for (const name of ["vol", "other", "doomed"])
    await call("POST", "/v1/volumes", { name, size: "1Gi", numberOfReplicas: 2 });
  await attach(rig, "vol");
  await store.create({ kind: "Orphan", name: "orphan-1", spec: { nodeID: "node-1", orphanType: "replica" } });
  await store.create({ kind: "EngineImage", name: "ei-1", spec: { image: "engine:1" }, status: { state: "deployed", nodeDeploymentMap: { "node-1": true }, conditions: [] } }); // prettier-ignore
  await store.create({ kind: "Node", name: "gone", spec: { name: "gone" }, status: { conditions: [{ type: "Ready", status: "False", reason: "KubernetesNodeGone", message: "", lastProbeTime: "", lastTransitionTime: "" }] } }); // prettier-ignore
  await call("POST", "/v1/recurringjobs", { name: "job", task: "snapshot", cron: "0 0 * * *", retain: 3 });
  await call("POST", "/v1/volumes/vol?action=attach", { hostId: "node-1", attachmentID: "mine" });
  await call("POST", "/v1/volumes/vol?action=snapshotCreate", { name: "s1" });
  await call("POST", "/v1/volumes/vol?action=snapshotCRCreate", { name: "cr1", labels: { a: "b" } });
  await call("POST", "/v1/volumes/vol?action=recurringJobAdd", { name: "job", isGroup: false });
  events.record({ type: "Normal", reason: "Attached", message: "attached", source: "longhorn-volume-controller", object: { kind: "Volume", name: "vol", uid: "u" } }); // prettier-ignore
}

interface Request {
  path?: string;
  body?: object;
  /** 200, if absent */
  status?: number;
}

const VOL = "/v1/volumes/vol";
const ON_VOLUME = "POST /v1/volumes/{name}?action=";

/** What is asked, where the path alone does not say it. */
const REQUESTS: Record<string, Request> = {
  "GET /v1/schemas/{id}": { path: "/v1/schemas/volume" },
  "GET /v1/settings/{name}": { path: "/v1/settings/default-replica-count" },
  "PUT /v1/settings/{name}": { path: "/v1/settings/default-replica-count", body: { value: " 2 " } },
  "GET /v1/volumes/{name}": { path: VOL },
  "POST /v1/volumes": { path: "/v1/volumes", body: { name: "new", size: "10Gi", numberOfReplicas: 2 } },
  "DELETE /v1/volumes/{name}": { path: "/v1/volumes/doomed" },
  ...onVolume({
    activate: { body: { frontend: "blockdev" }, status: 422 },
    attach: { body: { hostId: "node-2", attachmentID: "t", attacherType: "csi-attacher" } },
    cancelExpansion: { status: 422 },
    detach: { body: { attachmentID: "t" } },
    engineUpgrade: { body: { image: "engine:1" }, status: 501 },
    expand: { body: { size: "2Gi" } },
    offlineReplicaRebuilding: { body: { offlineRebuilding: "enabled" } },
    pvCreate: { body: { pvName: "pv" }, status: 501 },
    pvcCreate: { body: { pvcName: "pvc" }, status: 501 },
    replicaRemove: { body: { name: "vol-r-1" } },
    salvage: { body: { names: ["vol-r-0"] }, status: 422 },
    snapshotBackup: { body: { name: "s1" }, status: 501 },
    snapshotDelete: { body: { name: "s1" } },
    snapshotPurge: {},
    trimFilesystem: {},
    updateAccessMode: { body: { accessMode: "rwx" }, path: "/v1/volumes/other", status: 422 },
    updateBackupCompressionMethod: { body: { backupCompressionMethod: "lz4" } },
    updateBackupTargetName: { body: { backupTargetName: "default" } },
    updateDataLocality: { body: { dataLocality: "best-effort" } },
    updateFreezeFilesystemForSnapshot: { body: { freezeFilesystemForSnapshot: "enabled" } },
    updateReplicaAutoBalance: { body: { replicaAutoBalance: "least-effort" } },
    updateReplicaCount: { body: { replicaCount: 3 } },
    updateReplicaDiskSoftAntiAffinity: { body: { replicaDiskSoftAntiAffinity: "enabled" } },
    updateReplicaRebuildingBandwidthLimit: { body: { replicaRebuildingBandwidthLimit: "0" } },
    updateReplicaSoftAntiAffinity: { body: { replicaSoftAntiAffinity: "enabled" } },
    updateReplicaZoneSoftAntiAffinity: { body: { replicaZoneSoftAntiAffinity: "disabled" } },
    updateSnapshotDataIntegrity: { body: { snapshotDataIntegrity: "fast-check" } },
    updateSnapshotMaxCount: { body: { snapshotMaxCount: 10 } },
    updateSnapshotMaxSize: { body: { snapshotMaxSize: "4Gi" } },
    updateUnmapMarkSnapChainRemoved: { body: { unmapMarkSnapChainRemoved: "enabled" } },
    snapshotCreate: { body: { labels: { why: "test" } } },
    snapshotList: {},
    snapshotGet: { body: { name: "s1" } },
    snapshotRevert: { body: { name: "s1" }, status: 422 },
    snapshotCRCreate: { body: { name: "cr2" } },
    snapshotCRList: {},
    snapshotCRGet: { body: { name: "cr1" } },
    snapshotCRDelete: { body: { name: "cr1" } },
    recurringJobAdd: { body: { name: "hourly", isGroup: true } },
    recurringJobDelete: { body: { name: "hourly", isGroup: true } },
    recurringJobList: {},
  }),
  "GET /v1/nodes/{name}": { path: "/v1/nodes/node-1" },
  "PUT /v1/nodes/{name}": { path: "/v1/nodes/node-2", body: { allowScheduling: false, evictionRequested: true, tags: ["slow"] } }, // prettier-ignore
  "DELETE /v1/nodes/{name}": { path: "/v1/nodes/gone" },
  "POST /v1/nodes/{name}?action=diskUpdate": {
    path: "/v1/nodes/node-1",
    body: { disks: { main: { path: "/var/lib/longhorn", allowScheduling: true, tags: [] }, more: { path: "/mnt/more" } } }, // prettier-ignore
  },
  "GET /v1/engineimages/{name}": { path: "/v1/engineimages/ei-1" },
  "POST /v1/engineimages": { body: { image: "engine:2" }, status: 501 },
  "DELETE /v1/engineimages/{name}": { path: "/v1/engineimages/ei-1", status: 501 },
  "GET /v1/instancemanagers/{name}": { path: "/v1/instancemanagers/im-1" },
  "GET /v1/recurringjobs/{name}": { path: "/v1/recurringjobs/job" },
  "POST /v1/recurringjobs": { body: { name: "job2", task: "filesystem-trim", cron: "5 * * * *", groups: ["default"] } }, // prettier-ignore
  "PUT /v1/recurringjobs/{name}": { path: "/v1/recurringjobs/job", body: { retain: 5, cron: "1 1 * * *" } },
  "DELETE /v1/recurringjobs/{name}": { path: "/v1/recurringjobs/job" },
  "GET /v1/orphans/{name}": { path: "/v1/orphans/orphan-1" },
  "DELETE /v1/orphans/{name}": { path: "/v1/orphans/orphan-1" },
  "GET /v1/volumeattachments/{name}": { path: "/v1/volumeattachments/vol" },
  ...missingOnes("backuptargets/{name}", "backupvolumes/{name}", "backingimages/{name}", "backupbackingimages/{name}", "systembackups/{name}", "systemrestores/{name}"), // prettier-ignore
  "GET /v1/supportbundles/{nodeID}/{bundleName}": { path: "/v1/supportbundles/node-1/none", status: 404 },
  ...notYet(
    "POST /v1/backuptargets",
    "PUT /v1/backuptargets",
    "DELETE /v1/backuptargets/{name}",
    "POST /v1/backuptargets/{name}?action=backupTargetSync",
    "POST /v1/backuptargets/{name}?action=backupTargetUpdate",
    "PUT /v1/backupvolumes",
    "DELETE /v1/backupvolumes/{name}",
    ...["backupList", "backupListByVolume", "backupGet", "backupDelete", "backupVolumeSync"].map((action) => `POST /v1/backupvolumes/{name}?action=${action}`), // prettier-ignore
    "POST /v1/backingimages",
    "DELETE /v1/backingimages/{name}",
    "GET /v1/backingimages/{name}/download",
    ...["backingImageCleanup", "upload", "backupBackingImageCreate", "updateMinNumberOfCopies"].map((action) => `POST /v1/backingimages/{name}?action=${action}`), // prettier-ignore
    "DELETE /v1/backupbackingimages/{name}",
    "POST /v1/backupbackingimages/{name}?action=backupBackingImageRestore",
    "POST /v1/supportbundles",
    "GET /v1/supportbundles/{nodeID}/{bundleName}/download",
    "DELETE /v1/supportbundles/{nodeID}/{bundleName}",
    "POST /v1/systembackups",
    "DELETE /v1/systembackups/{name}",
    "POST /v1/systemrestores",
    "DELETE /v1/systemrestores/{name}",
  ),
};

function onVolume(actions: Record<string, Request>): Record<string, Request> {
  return Object.fromEntries(Object.entries(actions).map(([action, request]) => [ON_VOLUME + action, { path: VOL, ...request }])); // prettier-ignore
}

function missingOnes(...paths: string[]): Record<string, Request> {
  return Object.fromEntries(paths.map((path) => [`GET /v1/${path}`, { path: `/v1/${path.replace("{name}", "none")}`, status: 404 }])); // prettier-ignore
}

function notYet(...routes: string[]): Record<string, Request> {
  return Object.fromEntries(
    routes.map((route) => {
      const [, path = ""] = /^\S+ ([^?]*)/.exec(route) ?? [];
      return [route, { path: path.replaceAll(/\{\w+\}/g, "none"), status: 501 }];
    }),
  );
}

function checkAnswer(t: Test, route: string, response: string, { json, headers, text }: Answer): void {
  const [, entry] = /^collection<(\w+)>/.exec(response) ?? [];
  if (response.startsWith("200")) t.equal(text, "", `${route}: empty`);
  else if (response === "Prometheus text") t.match(text, /^# HELP longhorn_/m);
  else if (entry !== undefined) {
    t.match(json, { type: "collection", resourceType: entry, links: { self: /^http/ } }, route);
    t.strictSame(json.createTypes === undefined, route !== "GET /v1/volumes", `${route}: createTypes`);
    if (!Array.isArray(json.data)) t.fail(`${route}: data is no array`);
    for (const one of json.data as Json[]) checkResource(t, route, entry, one);
    if (!(entry in EMPTY)) t.ok(json.data.length > 0, `${route}: has entries that can be checked`);
  } else checkResource(t, route, response.split(" ")[0] ?? "", json);
  if (response !== "Prometheus text" && text !== "") t.equal(headers.get("content-type"), "application/json");
  t.match(headers.get("x-api-schemas"), /\/v1\/schemas$/);
}

/** Lists in which nothing is yet. */
const EMPTY = { backupTarget: 1, backupVolume: 1, backingImage: 1, backupBackingImage: 1, supportBundle: 1, systemBackup: 1, systemRestore: 1 }; // prettier-ignore

function checkResource(t: Test, route: string, type: string, resource: Json): void {
  t.equal(resource.type, type, route);
  t.match(resource.links?.self, /^http/, `${route}: links.self`);
  t.equal(typeof resource.actions, "object", `${route}: actions`);
  for (const url of Object.values(resource.actions as object)) t.match(url, /\?action=\w+$/);
  // Its maps hold what the test of the schemas compares.
  if (type !== "schema") checkFields(t, route, type, resource);
}

const HEAD = new Set(["id", "type", "links", "actions"]);

/** No field too many, none missing, each of its type. */
function checkFields(t: Test, where: string, type: string, value: Json): void {
  const schema = facts.schemas[type];
  if (schema === undefined) throw new Error(`${where}: ${type} is no schema`);
  for (const key of Object.keys(value as object))
    if (schema.fields[key] === undefined) t.fail(`${where}: ${type} has no field ${key}`);
  const hasHead = schema.fields["actions"] !== undefined;
  for (const [name, field] of Object.entries(schema.fields)) {
    if (hasHead && HEAD.has(name)) continue;
    checkValue(t, `${where}: ${type}.${name}`, field, value[name]);
  }
}

function checkValue(t: Test, where: string, field: FieldFacts, value: Json): void {
  const { type, wire = "", nullable = false } = field;
  if (value === undefined) {
    if (!/absent/.test(wire)) t.fail(`${where} is missing`);
    return;
  }
  if (value === null) {
    if (!nullable && !/null/.test(wire)) t.fail(`${where} is null`);
    return;
  }
  checkType(t, where, wireType(type, wire), value);
}

function wireType(type: string, wire: string): string {
  const [told] = /^(map|array)\[\w+\]/.exec(wire) ?? [];
  if (told !== undefined) return told;
  return wire.startsWith("array of condition") ? "array[longhornCondition]" : type;
}

function checkType(t: Test, where: string, type: string, value: Json): void {
  const [, container, of = ""] = /^(map|array)\[(\w+)\]$/.exec(type) ?? [];
  if (container === "array") {
    if (!Array.isArray(value)) t.fail(`${where} is no array`);
    for (const one of value as Json[]) checkType(t, where, of, one);
  } else if (container === "map") {
    if (typeof value !== "object" || Array.isArray(value)) t.fail(`${where} is no map`);
    for (const one of Object.values(value as object)) checkType(t, where, of, one);
  } else if (type === "string") {
    if (typeof value !== "string") t.fail(`${where} is no string: ${JSON.stringify(value)}`);
  } else if (type === "int" || type === "float") {
    if (typeof value !== "number") t.fail(`${where} is no number: ${JSON.stringify(value)}`);
  } else if (type === "bool") {
    if (typeof value !== "boolean") t.fail(`${where} is no boolean: ${JSON.stringify(value)}`);
  } else if (facts.schemas[type] !== undefined) {
    checkFields(t, where, type, value);
    if (facts.schemas[type].fields["actions"] !== undefined)
      t.match(value, { links: null, actions: null }, where);
  } else if (typeof value !== "object") t.fail(`${where} is no object`);
}
