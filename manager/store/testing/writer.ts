/** Counts in a store, and tells each number that was stored: run by a test that kills it. */
import { SqliteStore } from "../sqlite-store.js";
import { modify } from "../store.js";

const [, , path = ""] = process.argv;
const store = SqliteStore.open(path);
const name = "counted";
if ((await store.get("Volume", name)) === null) await store.create({ kind: "Volume", name, spec: {} });
for (;;) {
  const stored = await modify(store, "Volume", name, "spec", ({ spec }) => {
    spec.numberOfReplicas++;
  });
  process.stdout.write(`${name} ${stored?.spec.numberOfReplicas ?? 0}\n`);
  await new Promise(setImmediate);
}
