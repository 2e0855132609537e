/** Settings and recurring jobs. */
import { checkSpec } from "../../objects/check.js";
import { checkRecurringJob } from "../../recurring-job/rules.js";
import type { SettingName } from "../../settings/definitions.js";
import { checkSetting, definitionOf, isSetting, presentName } from "../../settings/settings.js";
import { modify } from "../../store/store.js";
import { loadSettings } from "../../settings/stored.js";
import { need, type Backend } from "../backend.js";
import { ApiError, missing } from "../http/errors.js";
import { EMPTY, item, type Call, type Reply, type Route } from "../http/router.js";
import { recurringJobToResource, settingToResource } from "../resources/setting.js";
import { checkInput } from "../schemas/input.js";

export function settingRoutes(backend: Backend): Route[] {
  const { store } = backend;
  const setting = "/v1/settings/{name}";
  const job = "/v1/recurringjobs/{name}";
  const nameOf = ({ params }: Call) => params["name"] ?? "";
  return [
    {
      method: "GET",
      path: setting,
      handle: async (call) => {
        const name = settingName(nameOf(call));
        return item(settingToResource(name, await store.get("Setting", name)));
      },
    },
    { method: "PUT", path: setting, handle: (call) => putSetting(backend, settingName(nameOf(call)), call) },
    {
      method: "GET",
      path: job,
      handle: async (call) =>
        item(recurringJobToResource(await need(backend, "RecurringJob", "recurringJob", nameOf(call)))),
    },
    { method: "POST", path: "/v1/recurringjobs", handle: (call) => createJob(backend, call) },
    { method: "PUT", path: job, handle: (call) => putJob(backend, nameOf(call), call) },
    {
      method: "DELETE",
      path: job,
      handle: async (call) => {
        const { metadata } = await need(backend, "RecurringJob", "recurringJob", nameOf(call));
        await store.delete("RecurringJob", metadata.name, metadata.uid);
        return EMPTY;
      },
    },
  ];
}

function settingName(given: string): SettingName {
  const name = presentName(given);
  if (!isSetting(name)) throw missing("setting", given);
  return name;
}

async function putSetting(backend: Backend, name: SettingName, call: Call): Promise<Reply> {
  const { store } = backend;
  const given = checkInput("setting", await call.body(), { uses: ["name", "value"], needs: ["value"] });
  if (given.name !== undefined && presentName(given.name) !== name)
    throw new ApiError("INVALID", `setting: name: this is ${name}, not ${given.name}`);
  if (definitionOf(name).readOnly === true)
    throw new ApiError("INVALID", `setting ${name}: only the system writes it`);
  const value = checkSetting(name, given.value ?? "");
  await checkTogether(backend, name, value);
  const changed = await modify(store, "Setting", name, "spec", ({ spec }) => {
    spec.value = value;
  });
  const stored =
    changed ?? (await store.create({ kind: "Setting", name, spec: { value }, status: { applied: true } }));
  return item(settingToResource(name, stored));
}

/** Settings of which only one can be on. */
const EXCLUSIVE = ["auto-cleanup-system-generated-snapshot", "disable-snapshot-purge"] as const;

async function checkTogether(backend: Backend, name: SettingName, value: string): Promise<void> {
  const other = EXCLUSIVE.find((one) => one !== name);
  if (!(EXCLUSIVE as readonly string[]).includes(name) || value !== "true" || other === undefined) return;
  if ((await loadSettings(backend.store)).flag(other))
    throw new ApiError("REFUSED", `setting ${name}: it cannot be on together with ${other}`);
}

/** What can be changed of a job. */
const JOB_FIELDS = ["cron", "retain", "concurrency", "groups", "labels", "parameters"] as const;

const CONCURRENCY_DEFAULT = 10;

async function createJob(backend: Backend, call: Call): Promise<Reply> {
  const given = checkInput("recurringJob", await call.body(), {
    uses: ["name", "task", ...JOB_FIELDS],
    needs: ["name", "task", "cron"],
  });
  const name = given.name ?? "";
  const spec = checkSpec("RecurringJob", name, { ...given, concurrency: given.concurrency || CONCURRENCY_DEFAULT }); // prettier-ignore
  checkRecurringJob(spec, null, await loadSettings(backend.store));
  return item(recurringJobToResource(await backend.store.create({ kind: "RecurringJob", name, spec })));
}

/** Another name or task is ignored, as Longhorn does: neither can be changed. */
async function putJob(backend: Backend, name: string, call: Call): Promise<Reply> {
  const given = checkInput("recurringJob", await call.body(), { uses: JOB_FIELDS });
  const settings = await loadSettings(backend.store);
  const changed = await modify(backend.store, "RecurringJob", name, "spec", (job) => {
    const after = checkSpec("RecurringJob", name, { ...job.spec, ...given });
    checkRecurringJob(after, job.spec, settings);
    job.spec = after;
  });
  if (changed === null) throw missing("recurringJob", name);
  return item(recurringJobToResource(changed));
}
