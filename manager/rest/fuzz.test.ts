/** Whatever is sent, it is answered, by what is right or by an error that says what is wrong: nothing unexpected happens inside. */
import fc from "fast-check";
import t from "tap";
import { SCHEMAS, schemaOf, type SchemaId } from "./schemas/index.js";
import { startRig } from "./testing/rig.js";
import { addNodes, attach } from "./testing/world.js";

const words = fc.constantFrom("", "vol", "node-1", "enabled", "ignored", "best-effort", "strict-local", "rwx", "v1", "iscsi", "1Gi", "9007199254740991", "4Pi", "1e-9", "8Ei", "vol://vol", "snap://vol/s", "0 0 * * *", "/mnt", "volume-head", "__proto__", "../../x", "\0", "\u{1f4be}"); // prettier-ignore
const numbers = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 1.5, 2 ** 31, 2 ** 53 - 1, 2 ** 53, 1e308, 20, 250),
  fc.integer(),
);
const keys = fc.oneof(words, fc.string());
const plain = fc.oneof(words, words, fc.string(), numbers, fc.boolean(), fc.constant(null));
const value = fc.oneof(plain, plain, fc.array(plain, { maxLength: 3 }), fc.dictionary(keys, plain, { maxKeys: 3 }), fc.jsonValue({ maxDepth: 2 })); // prettier-ignore

/** Some of a schema's fields, with what may be right for them. */
const bodyOf = (id: SchemaId) =>
  fc
    .uniqueArray(fc.constantFrom(...Object.keys(schemaOf(id).fields)), { maxLength: 6 })
    .chain((names) =>
      fc
        .tuple(...names.map(() => value))
        .map((values) => Object.fromEntries(names.map((name, i) => [name, values[i]]))),
    );

const newVolume = bodyOf("volume").map((fields) => ({ name: "vol2", size: "1Gi", ...fields }));
const newJob = bodyOf("recurringJob").map((fields) => ({ name: "job", task: "snapshot", cron: "0 0 * * *", retain: 1, ...fields })); // prettier-ignore
const disks = fc.dictionary(keys, bodyOf("diskUpdate"), { maxKeys: 3 }).map((all) => ({ disks: { main: { path: "/var/lib/longhorn" }, ...all } })); // prettier-ignore

const actions = Object.entries(SCHEMAS.volume.actions as Record<string, { input?: string }>).map(
  ([action, { input = "" }]): [string, SchemaId] => [action, Object.hasOwn(SCHEMAS, input) ? (input as SchemaId) : "snapshotInput"], // prettier-ignore
);
const onVolume = fc
  .constantFrom(...actions)
  .chain(([action, input]) =>
    bodyOf(input).map((body) => ["POST", `/v1/volumes/vol?action=${action}`, body] as const),
  );

const request = fc.oneof(
  onVolume,
  onVolume,
  newVolume.map((body) => ["POST", "/v1/volumes", body] as const),
  newJob.map((body) => ["POST", "/v1/recurringjobs", body] as const),
  newJob.map((body) => ["PUT", "/v1/recurringjobs/job", body] as const),
  bodyOf("node").map((body) => ["PUT", "/v1/nodes/node-1", body] as const),
  disks.map((body) => ["POST", "/v1/nodes/node-1?action=diskUpdate", body] as const),
  bodyOf("setting").map((body) => ["PUT", "/v1/settings/default-replica-count", body] as const),
  fc.webPath().map((path) => ["GET", `/v1/volumes${path}`, undefined] as const),
);

t.test("anything is answered", async (t) => {
  const rig = await startRig(t);
  await addNodes(rig);
  await rig.call("POST", "/v1/volumes", { name: "vol", size: "1Gi", numberOfReplicas: 2 });
  await attach(rig, "vol");
  const seen = new Set<number>();
  await fc.assert(
    fc.asyncProperty(request, async ([method, path, body]) => {
      const { status, text } = await rig.call(method, path, body);
      seen.add(status);
      if (![200, 301, 400, 404, 422, 501].includes(status))
        throw new Error(`${status} ${text} ${String(rig.errors[0])}`);
    }),
    { numRuns: 600 },
  );
  for (const status of [200, 400, 422]) t.ok(seen.has(status), `some were answered ${status}`);
  t.strictSame(rig.errors, []);
  t.equal((await rig.call("GET", "/v1/volumes")).status, 200);
});
