import t from "tap";
import { newNode } from "../rest/testing/world.js";
import { SqliteStore } from "../store/sqlite-store.js";
import { modify } from "../store/store.js";
import { Overview } from "./overview.js";

/** What was stored before is told. */
const told = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

t.test("only what may count for any volume makes all of them be looked at", async (t) => {
  const store = SqliteStore.open(":memory:");
  t.teardown(() => store.close());
  await store.create(newNode("node-1"));
  let shifts = 0;
  const overview = new Overview(store, () => shifts++);
  t.teardown(() => overview.end());
  await overview.synced;
  t.equal(overview.reachable.has("node-1"), true);
  shifts = 0;
  const changes: [string, number, () => Promise<unknown>][] = [
    ["room that comes and goes", 0, () => modify(store, "Node", "node-1", "status", ({ status }) => Object.assign(status.diskStatus["main"] ?? {}, { storageAvailable: 1 }))],
    ["a tag", 1, () => modify(store, "Node", "node-1", "spec", ({ spec }) => (spec.tags = ["slow"]))],
    ["a node that is lost", 1, () => modify(store, "Node", "node-1", "status", ({ status }) => Object.assign(status.conditions[0] ?? {}, { status: "False" }))],
    ["a disk that is lost", 1, () => modify(store, "Node", "node-1", "status", ({ status }) => Object.assign(status.diskStatus["main"]?.conditions[0] ?? {}, { status: "False" }))],
    ["a setting that is stored with its default", 0, () => store.create({ kind: "Setting", name: "auto-salvage", spec: { value: "true" } })],
    ["a setting that is changed", 1, () => modify(store, "Setting", "auto-salvage", "spec", ({ spec }) => (spec.value = "false"))],
    ["a node that is new", 1, () => store.create(newNode("node-2"))],
    ["a node that is removed", 1, () => store.delete("Node", "node-2")],
  ]; // prettier-ignore
  for (const [what, expected, change] of changes) {
    shifts = 0;
    await change();
    await told();
    t.equal(shifts, expected, what);
  }
  t.equal(overview.reachable.has("node-1"), false);
  t.equal(overview.settings.flag("auto-salvage"), false);
});
