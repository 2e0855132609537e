import t from "tap";
import { SqliteStore } from "../store/sqlite-store.js";
import { loadSettings, makeMissingSettings } from "./stored.js";

t.test("a manager that is upgraded says so, and leaves what was set", async (t) => {
  const store = SqliteStore.open(":memory:");
  t.teardown(() => store.close());
  for (const [version, count] of [
    ["1.2.3", "2"],
    ["1.3.0", "1"],
    ["1.4.0", "no number, and not looked at"],
  ] as const) {
    await makeMissingSettings(store, version, new Map([["default-replica-count", count]]));
    const settings = await loadSettings(store);
    t.equal(settings.text("current-longhorn-version"), `v${version}`);
    t.equal(settings.number("default-replica-count"), 2);
  }
});
