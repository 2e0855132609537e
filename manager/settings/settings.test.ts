import t from "tap";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { aboutLonghorn } from "../../test/golden/archives.js";
import { DEFINITIONS, type SettingName } from "./definitions.js";
import { checkSetting, definitionOf, isSetting, presentName, SettingValues } from "./settings.js";

const facts = JSON.parse(readFileSync(aboutLonghorn("settings.json"), "utf8")) as {
  settings: { name: string; default: string; readOnly: boolean; dataEngineSpecific: boolean }[];
};

t.test("every setting of Longhorn's is there, with its default", async (t) => {
  t.strictSame(Object.keys(DEFINITIONS).sort(), facts.settings.map(({ name }) => name).sort());
  for (const { name, default: value, readOnly, dataEngineSpecific } of facts.settings) {
    const definition = definitionOf(name as SettingName);
    if (!value.startsWith("<")) t.equal(definition.default, value, name);
    t.equal(definition.readOnly ?? false, readOnly, name);
    t.equal(definition.perEngine ?? false, dataEngineSpecific, name);
    t.ok(definition.description.endsWith("."), name);
  }
});

t.test("a default is a value that the setting takes", async (t) => {
  for (const name of Object.keys(DEFINITIONS) as SettingName[]) {
    const { default: value, type, optional } = definitionOf(name);
    // Somebody has to say it.
    const isUnset = value === "" && type === "string" && optional !== true;
    if (isUnset) t.throws(() => checkSetting(name, value), { message: /is empty/ }, name);
    else t.equal(checkSetting(name, value), value, name);
  }
});

t.test("whatever says nothing of having no effect is read somewhere", async (t) => {
  const manager = fileURLToPath(new URL("../../../manager", import.meta.url));
  const isReader = (file: string) =>
    /\.ts$/.test(file) && !/\.test\.ts$|settings.definitions\.ts$/.test(file);
  const files = readdirSync(manager, { recursive: true, encoding: "utf8" }).filter(isReader);
  const sources = files.map((file) => readFileSync(`${manager}/${file}`, "utf8"));
  const isRead = (name: string) => sources.some((source) => source.includes(`"${name}"`));
  const claimed = (Object.keys(DEFINITIONS) as SettingName[]).filter((name) => {
    const { noEffect, readOnly } = definitionOf(name);
    return noEffect === undefined && readOnly !== true;
  });
  const unread = claimed.filter((name) => !isRead(name));
  t.strictSame(unread, []);
  t.ok(isRead("auto-salvage") && !isRead("node-drain-policy"));
});

t.test("values that a setting does not take are refused, and it is said why", async (t) => {
  const wrong: [SettingName, string, RegExp][] = [
    ["auto-salvage", "yes", /setting auto-salvage: "yes" is neither true nor false/],
    ["auto-salvage", "", /is empty/],
    ["storage-minimal-available-percentage", "101", /is not from 0 to 100/],
    ["storage-over-provisioning-percentage", "-1", /is not 0 or more/],
    ["storage-over-provisioning-percentage", "1e3", /is no whole number/],
    ["replica-auto-balance", "most", /is none of disabled, least-effort, best-effort/],
    ["default-replica-count", "0", /is not from 1 to 20/],
    ["default-replica-count", '{"v1":"2"}', /for each of v1, v2/],
    ["default-replica-count", '{"v1":2,"v2":"2"}', /has to be a text/],
    ["default-replica-count", '{"v1":', /is no JSON/],
    ["snapshot-data-integrity-cronjob", "61 * * * *", /is no cron expression/],
    ["snapshot-data-integrity-cronjob", "* * *", /five fields/],
    ["orphan-resource-auto-deletion", "data", /is not made of/],
    ["default-data-path", "data", /is no absolute path/],
    ["guaranteed-instance-manager-cpu", "41", /is not from 0 to 40/],
  ];
  for (const [name, value, message] of wrong) t.throws(() => checkSetting(name, value), { message }, name);
});

t.test("one value for a setting per engine counts for all of them; blanks around it do not", async (t) => {
  t.equal(checkSetting("default-replica-count", " 2 "), '{"v1":"2","v2":"2"}');
  t.equal(checkSetting("default-replica-count", '{"v2":"1","v1":"2"}'), '{"v1":"2","v2":"1"}');
  t.equal(checkSetting("freeze-filesystem-for-snapshot", "true"), '{"v1":"true"}');
});

t.test("what is stored counts, and the default otherwise", async (t) => {
  const values = new SettingValues(new Map([["default-replica-count", '{"v1":"2","v2":"1"}'], ["auto-salvage", "false"]])); // prettier-ignore
  t.equal(values.number("default-replica-count"), 2);
  t.equal(values.number("default-replica-count", "v2"), 1);
  t.equal(values.flag("auto-salvage"), false);
  t.equal(values.number("replica-replenishment-wait-interval"), 600);
});

t.test("settings are known by the names that they had", async (t) => {
  t.equal(presentName("orphan-auto-deletion"), "orphan-resource-auto-deletion");
  t.equal(presentName("auto-salvage"), "auto-salvage");
  t.notOk(isSetting("toString"));
});
