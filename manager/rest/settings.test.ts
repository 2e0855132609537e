/** All that Longhorn says of what its settings take, tried by the API: what it allows is taken, and nothing else. */
import { readFileSync } from "node:fs";
import t from "tap";
import { aboutLonghorn } from "../../test/golden/archives.js";
import { startRig } from "./testing/rig.js";

interface Fact {
  name: string;
  type: string;
  default: string;
  required: boolean;
  readOnly: boolean;
  dataEngineSpecific: boolean;
  defaultPerEngine?: Record<string, string>;
  options?: (string | number)[];
  range?: { minimum: number; maximum?: number };
  floatRange?: { minimum: number; maximum: number };
  format?: string;
}

const { settings } = JSON.parse(readFileSync(aboutLonghorn("settings.json"), "utf8")) as { settings: Fact[] };

interface Samples {
  right: string[];
  wrong: string[];
}

/** By what settings.json has as their format; those that say what types and ranges say, too, have none here. */
const FORMATS: Record<string, Samples> = {
  "filesystem path, or block device path for v2": { right: ["/srv/data"], wrong: ["srv/data", "."] },
  "directory on host": { right: ["/var/log/volumes/"], wrong: ["logs"] },
  URL: {
    right: ["http://10.0.0.1:8080/check"],
    wrong: ["updates.example", "ftp://updates.example", "https://"],
  },
  "list separated by ; of key=value:Effect or key:Effect (operator Exists without value)": {
    right: ["team=storage:NoSchedule", "node.example/full:NoExecute; team=a:PreferNoSchedule", "team:", ":"],
    wrong: ["team", "team=storage", "team=storage:Never", "a=b=c:NoSchedule", "a:b:NoSchedule", "=b:NoSchedule", "a:NoSchedule;", "a b:NoExecute", "a,b:NoExecute"], // prettier-ignore
  },
  "list separated by ; of key:value": {
    right: ["disktype:nvme", "kubernetes.io/arch:arm64; storage:", "a:b;c:d"],
    wrong: ["disktype", "disktype=nvme", "a:b:c", ":b", "a:b;", "a/b/c:d", "a:b c", "-a:b"],
  },
  "list separated by ; of <apiGroup>/<Kind> of pod owner (for example apps/ReplicaSet)": {
    right: ["apps/ReplicaSet", "apps/StatefulSet;batch/Job"],
    wrong: ["ReplicaSet", "apps/v1/ReplicaSet", "apps/", "apps/Replica Set", "apps/ReplicaSet,batch/Job"],
  },
  "Secret name in the install namespace; set by chart from privateRegistry.registrySecret": {
    right: ["registry.credentials-1"],
    wrong: ["Registry", "a_b", "a/b", "-a"],
  },
  "existing PriorityClass name or empty": { right: ["longhorn-critical"], wrong: ["very high", "High"] },
  "empty or any of replica-data;instance joined by ;": {
    right: ["replica-data", "instance;replica-data"],
    wrong: ["data", "replica-data,instance", ";"],
  },
  "<namespace>/<NetworkAttachmentDefinition> or empty": {
    right: ["kube-system/storage"],
    wrong: ["storage", "kube-system/", "/storage", "a/b/c", "Kube/storage"],
  },
  "standard 5-field cron": {
    right: ["*/5 * * * *", "0 3 * * 1-5"],
    wrong: ["* * * *", "0 0 0 * * *", "60 * * * *", "0 0 30 2 *", "@daily"],
  },
  "hex mask such as 0x1": { right: ["0xF0", "0x1f"], wrong: ["1", "0x", "0xg", "0x0", "f0"] },
  "comma separated SPDK log components": {
    right: ["bdev,blob_esnap"],
    wrong: ["bdev, blob", "bdev;blob", ","],
  },
};

/** Said by types, options and ranges as well, or of what only the system writes. */
const SAID_OTHERWISE = [
  "values map to IfNotPresent, Never, Always",
  "integer 2..250",
  "empty or longhorn.io/v1beta2",
];

const TYPES: Record<string, Samples> = {
  bool: { right: ["true", "false"], wrong: ["yes", "1", "True"] },
  int: { right: [], wrong: ["1.5", "many", "1e1", "0x10", "99999999999999999999"] },
  float: { right: [], wrong: ["much", "1e1", "NaN", "5."] },
  string: { right: [], wrong: [] },
  "(none; free text)": { right: [], wrong: [] },
};

function samplesOf(fact: Fact): Samples {
  const { type, default: value, options, range, floatRange, format = "", required } = fact;
  const bounds = range ?? floatRange;
  const formats = SAID_OTHERWISE.includes(format) || format === "" ? undefined : FORMATS[format];
  const [one = value] = fact.dataEngineSpecific ? Object.values(fact.defaultPerEngine ?? {}) : [];
  const types = TYPES[type];
  if (types === undefined) throw new Error(`${fact.name}: nothing is known of the type ${type}`);
  if (formats === undefined && format !== "" && !SAID_OTHERWISE.includes(format))
    throw new Error(`${fact.name}: nothing is known of the format ${format}`);
  return {
    right: [
      ...(one === "" && required ? [] : [one]),
      ...types.right,
      ...(options ?? []).map(String),
      ...(bounds === undefined ? [] : [String(bounds.minimum)]),
      ...(bounds?.maximum === undefined ? [] : [String(bounds.maximum)]),
      ...(formats?.right ?? []),
      ...(required ? [] : [""]),
    ],
    wrong: [
      ...types.wrong,
      ...(options === undefined ? [] : ["other"]),
      ...(bounds === undefined ? [] : [String(bounds.minimum - 1)]),
      ...(bounds?.maximum === undefined ? [] : [String(bounds.maximum + 1)]),
      ...(formats?.wrong ?? []),
      ...(required ? ["", "  "] : []),
    ],
  };
}

t.test("each setting takes what it is said to take, and nothing else", async (t) => {
  const { call } = await startRig(t);
  let refused = 0;
  for (const fact of settings) {
    const { name, readOnly, dataEngineSpecific, defaultPerEngine = {} } = fact;
    const put = (value: string) => call("PUT", `/v1/settings/${name}`, { value });
    if (readOnly) {
      t.match(await put("1"), { status: 400, json: { message: /only the system writes it/ } }, name);
      continue;
    }
    // They exclude each other.
    if (name === "disable-snapshot-purge") await call("PUT", "/v1/settings/auto-cleanup-system-generated-snapshot", { value: "false" }); // prettier-ignore
    const engines = Object.keys(defaultPerEngine);
    const ofEach = (value: string) => JSON.stringify(Object.fromEntries(engines.map((engine) => [engine, value]))); // prettier-ignore
    const { right, wrong } = samplesOf(fact);
    for (const value of right) {
      const answer = await put(value);
      t.match(answer, { status: 200, json: { value: dataEngineSpecific ? ofEach(value) : value } }, `${name}: ${JSON.stringify(value)}`); // prettier-ignore
    }
    const kept = (await call("GET", `/v1/settings/${name}`)).json.value;
    for (const value of dataEngineSpecific ? [...wrong, ...wrong.map(ofEach)] : wrong) {
      const { status, json } = await put(value);
      t.equal(status, 400, `${name}: ${JSON.stringify(value)}`);
      t.match(json, { type: "error", message: new RegExp(`^setting ${name}: ".*" (is|does|never|has) `) });
      refused++;
    }
    t.equal((await call("GET", `/v1/settings/${name}`)).json.value, kept, `${name} is as it was`);
  }
  t.ok(refused > 300, `${refused} were refused`);
});

t.test("every format that is said of a setting is tried", async (t) => {
  const said = settings.flatMap(({ format = [] }) => format);
  t.strictSame([...new Set(said)].sort(), [...Object.keys(FORMATS), ...SAID_OTHERWISE].sort());
});
